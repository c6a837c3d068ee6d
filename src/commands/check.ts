// `vddk-nbd check`: flags in, one call into program/, nothing else.
// The rule: a check that can't begin ends with exit code 1 and one line on stderr.
import { Args, Command, Flags } from '@oclif/core';
import { checkImage } from '../program/check-image.js';
import { VddkNbdError } from '../base/errors.js';
import { hideSuspects } from '../base/suspects.js';
import { reportError } from '../flags/report-error.js';

export default class Check extends Command {
  static override summary = 'look through a local VMDK for damage';

  static override description = [
    'Reads the descriptor, the extents and the whole chain of a local VMDK: both copies of the ' +
      'grain directories and tables, what lies on what, what nothing uses, and what would be ' +
      'read as what. It never writes, and needs nothing of VMware.',
    '',
    'Exit codes are those of qemu-img check: 0 all is well, 1 the check could not be made, 2 the ' +
      'image is corrupt, 3 there is unused room in it and nothing worse.',
  ].join('\n');

  static override examples = [
    '<%= config.bin %> <%= command.id %> /vm/disk.vmdk',
    '<%= config.bin %> <%= command.id %> --json /vm/disk-000002.vmdk',
  ];

  static override args = {
    file: Args.string({ description: 'the disk, or the newest link of its chain', required: true }),
  };

  static override flags = {
    config: Flags.string({
      helpValue: 'FILE',
      summary: "the configuration file given with serve's config=",
    }),
    help: Flags.help({ char: 'h' }),
    json: Flags.boolean({ default: false, summary: 'write one JSON object' }),
    'single-link': Flags.boolean({ default: false, summary: 'leave the parents alone' }),
  };

  override async run(): Promise<void> {
    hideSuspects(this.argv);
    const { args, flags } = await this.parse(Check);
    if (/^(?:password|cookie)\s*[=:]/i.test(args.file)) {
      throw new VddkNbdError('USAGE', 'check takes no password and no cookie', {
        hint: 'Give it the path of a local VMDK.',
      });
    }
    const exitCode = await checkImage({
      file: args.file,
      json: flags.json,
      singleLink: flags['single-link'],
      config: flags.config,
    });
    this.exit(exitCode);
  }

  protected override catch(error: Error): Promise<never> {
    return reportError(this, error, this.argv);
  }
}
