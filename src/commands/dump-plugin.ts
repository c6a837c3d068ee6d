// `vddk-nbd dump-plugin`: parameters in, lines of key=value out; program/dump-plugin.ts does it.
import { Command, Flags } from '@oclif/core';
import { createLog } from '../base/log.js';
import { hideSuspects } from '../base/suspects.js';
import { reportError } from '../flags/report-error.js';

export default class DumpPlugin extends Command {
  static override summary = 'show which disk library is there, and whether it works';

  static override description =
    "The keys are those of nbdkit's --dump-plugin for vddk. With libdir= a library that can't be " +
    'loaded is an error; without it, what needs no library is shown. Parameters are those of ' +
    'serve; what they name must be there.';

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> libdir=/opt/vmware-vix-disklib-distrib --json',
  ];

  static override usage = 'dump-plugin [libdir=DIR] [engine=NAME] [config=FILE] [FLAGS]';

  static override strict = false;

  static override enableJsonFlag = true;

  static override flags = {
    help: Flags.help({ char: 'h' }),
    json: Flags.boolean({ default: false, summary: 'write one JSON object' }),
    params: Flags.string({
      helpValue: 'FILE',
      summary: 'read more parameters from a file, one KEY=VALUE a line',
    }),
    verbose: Flags.boolean({
      char: 'v',
      default: false,
      summary: 'show debug messages and all messages of the library',
    }),
  };

  override async run(): Promise<Record<string, string>> {
    hideSuspects(this.argv);
    const { argv, flags } = await this.parse(DumpPlugin);
    const log = createLog({
      write: (line) => process.stderr.write(line),
      verbose: flags.verbose,
      json: flags.json,
    });
    const { dumpPlugin } = await import('../program/dump-plugin.js');
    const program = { version: this.config.version, path: this.config.root };
    const sources = { argv: argv.map(String), paramsFile: flags.params, log };
    const keys = await dumpPlugin(sources, program);
    for (const [key, value] of Object.entries(keys)) this.log(`${key}=${value}`);
    return keys;
  }

  protected override catch(error: Error): Promise<never> {
    return reportError(this, error, this.argv);
  }
}
