// `vddk-nbd serve`: flags and parameters in, one call into program/, nothing else.
// The rule: every failure to start ends with exit code 1 and one line on stderr.
import { Command, Flags } from '@oclif/core';
import {
  HANDSHAKE_TIMEOUT_MS,
  RECOVERY_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  SHUTDOWN_TIMEOUT_MS,
} from '../base/limits.js';
import { createLog } from '../base/log.js';
import { parseDurationMs } from '../base/units.js';
import { listenFlags } from '../flags/listen.js';
import { openLog } from '../flags/log-target.js';
import { memoryFlags, memorySizes } from '../flags/memory.js';
import { nbdkitFlags, refuseNbdkitFlags } from '../flags/nbdkit.js';
import { tlsFlags } from '../flags/tls.js';
import { hideSuspects } from '../base/suspects.js';
import { reportError } from '../flags/report-error.js';
import { takeInheritedSockets } from '../program/activation.js';
import { forbidDumps } from '../program/own-process.js';
import { readParameters } from '../program/read-parameters.js';
import { parseDebugFlags } from '../vddk/debug-flags.js';
import { parameterHelp } from '../vddk/parameter-table.js';

const SERVER = 'SERVER';

/** The duration that a flag gives, or its default. */
function durationMs(flag: string | undefined, defaultMs: number): number {
  return flag === undefined ? defaultMs : parseDurationMs(flag);
}

function printUri(uri: string): void {
  process.stdout.on('error', () => undefined);
  process.stdout.write(`${uri}\n`);
}

export default class Serve extends Command {
  static override summary = 'serve a VMware disk over NBD';

  static override description = [
    'The disk is given as KEY=VALUE parameters; a bare word is the file:',
    '',
    parameterHelp(),
    '',
    'Without -p or -U it listens on TCP 127.0.0.1, port 10809. When a client can connect, one ' +
      'line on stderr says so, with the NBD URI. SIGINT and SIGTERM stop it; what is in flight ' +
      'is finished and flushed before.',
  ].join('\n');

  static override examples = [
    '<%= config.bin %> <%= command.id %> /vm/disk.vmdk',
    '<%= config.bin %> <%= command.id %> --readonly --unix /run/disk.sock file=/vm/disk.vmdk',
    `<%= config.bin %> <%= command.id %> -r /vm/disk.vmdk --run 'nbdcopy "$uri" disk.raw'`,
    '<%= config.bin %> <%= command.id %> file=/vm/disk.vmdk libdir=/opt/vmware-vix-disklib-distrib',
    '<%= config.bin %> <%= command.id %> --export root=/vm/a.vmdk --export data=/vm/b.vmdk',
  ];

  static override usage = 'serve [file=]FILE [KEY=VALUE...] [FLAGS]';

  static override strict = false;

  static override flags = {
    ...listenFlags,
    ...memoryFlags,
    ...nbdkitFlags,
    ...tlsFlags,
    debug: Flags.string({
      char: 'D',
      helpGroup: SERVER,
      helpValue: 'FLAG=N',
      multiple: true,
      multipleNonGreedy: true,
      summary: 'with -v: show vddk.diskinfo=1, vddk.extents=1, vddk.datapath=1, vddk.stats=1',
    }),
    version: Flags.version({ char: 'V', hidden: true }),
    'dump-plugin': Flags.boolean({
      default: false,
      helpGroup: SERVER,
      summary: 'the same as the command dump-plugin',
    }),
    eager: Flags.boolean({
      default: false,
      helpGroup: SERVER,
      summary: 'open the disks of --export at the start, not for their first client',
    }),
    export: Flags.string({
      helpGroup: SERVER,
      helpValue: 'NAME=FILE',
      multiple: true,
      multipleNonGreedy: true,
      summary: 'serve this disk by this name; may be repeated',
    }),
    exportname: Flags.string({
      aliases: ['export-name'],
      char: 'e',
      helpGroup: SERVER,
      helpValue: 'NAME',
      summary: 'export name in the URI; without --export, any name is served',
    }),
    'exit-with-parent': Flags.boolean({
      default: false,
      helpGroup: SERVER,
      summary: 'stop when the process that started this one ends',
    }),
    help: Flags.help({ char: 'h', helpGroup: SERVER }),
    log: Flags.string({
      helpGroup: SERVER,
      helpValue: 'TO',
      summary: 'where messages go: stderr, null, or the absolute path of a file',
    }),
    json: Flags.boolean({
      default: false,
      helpGroup: SERVER,
      summary: 'write the lines on stderr as JSON objects, errors with their causes and remedies',
    }),
    params: Flags.string({
      helpGroup: SERVER,
      helpValue: 'FILE',
      summary: 'read more parameters from a file, one KEY=VALUE a line',
    }),
    pidfile: Flags.string({
      aliases: ['pid-file'],
      char: 'P',
      helpGroup: SERVER,
      helpValue: 'FILE',
      summary: 'write the process id here when a client can connect',
    }),
    'print-uri': Flags.boolean({
      aliases: ['print-url', 'show-uri', 'show-url'],
      default: false,
      exclusive: ['single'],
      helpGroup: SERVER,
      summary: 'print the URI on stdout when a client can connect',
    }),
    readonly: Flags.boolean({
      aliases: ['read-only'],
      char: 'r',
      default: false,
      helpGroup: SERVER,
      summary: 'refuse writes',
    }),
    run: Flags.string({
      helpGroup: SERVER,
      helpValue: 'CMD',
      summary: 'run a shell command with $uri, then stop; its exit code becomes ours',
    }),
    'recovery-timeout': Flags.string({
      helpGroup: SERVER,
      helpValue: 'TIME',
      summary:
        'how long requests wait for a library that is gone before they fail ' +
        `[default: ${RECOVERY_TIMEOUT_MS / 60_000}min]`,
    }),
    'request-timeout': Flags.string({
      helpGroup: SERVER,
      helpValue: 'TIME',
      summary:
        'how long a read or write may be in the library before it counts as hung ' +
        `[default: ${REQUEST_TIMEOUT_MS / 1000}s]`,
    }),
    'shutdown-timeout': Flags.string({
      helpGroup: SERVER,
      helpValue: 'TIME',
      summary: `how long a stop may take, like 10min [default: ${SHUTDOWN_TIMEOUT_MS / 1000}s]`,
    }),
    spare: Flags.boolean({
      allowNo: true,
      default: true,
      helpGroup: SERVER,
      summary: 'keep a spare helper process ready, so that a crash costs less time',
    }),
    verbose: Flags.boolean({
      char: 'v',
      default: false,
      helpGroup: SERVER,
      summary: 'show debug messages and all messages of the library',
    }),
  };

  override async run(): Promise<void> {
    const parentPid = process.ppid;
    // Whoever reads our log may go away; the clients of the server stay.
    process.stderr.on('error', () => undefined);
    hideSuspects(this.argv);
    const { argv, flags } = await this.parse(Serve);
    refuseNbdkitFlags(flags);
    const log = createLog({
      write: openLog(flags.log),
      verbose: flags.verbose,
      json: flags.json,
    });
    if (flags['dump-plugin']) {
      const passed = [
        ...(flags.json ? ['--json'] : []),
        ...(flags.params === undefined ? [] : ['--params', flags.params]),
        ...(flags.verbose ? ['-v'] : []),
      ];
      await this.config.runCommand('dump-plugin', [...argv.map(String), ...passed]);
      return;
    }
    forbidDumps();
    const debugFlags = parseDebugFlags(flags.debug ?? []);
    const disk = await readParameters({
      argv: argv.map(String),
      paramsFile: flags.params,
      filesElsewhere: flags.export !== undefined,
      log,
    });
    const { serve } = await import('../program/serve.js');
    const exitCode = await serve({
      ...disk,
      connectionsMax: flags['max-connections'],
      debugFlags,
      eager: flags.eager,
      exportName: flags.exportname,
      exports: flags.export ?? [],
      family: flags.ipv4 ? 4 : flags.ipv6 ? 6 : undefined,
      handshakeTimeoutMs: durationMs(flags.timeout, HANDSHAKE_TIMEOUT_MS),
      inherited: takeInheritedSockets(process.env, process.pid),
      insecure: flags.insecure,
      ipaddr: flags.ipaddr ?? [],
      log,
      ...memorySizes(flags),
      parentPid: flags['exit-with-parent'] ? parentPid : undefined,
      pidfile: flags.pidfile,
      port: flags.port,
      printUri: flags['print-uri'] ? printUri : undefined,
      readOnly: flags.readonly,
      run: flags.run,
      recoveryTimeoutMs: durationMs(flags['recovery-timeout'], RECOVERY_TIMEOUT_MS),
      requestTimeoutMs: durationMs(flags['request-timeout'], REQUEST_TIMEOUT_MS),
      shutdownTimeoutMs: durationMs(flags['shutdown-timeout'], SHUTDOWN_TIMEOUT_MS),
      single: flags.single,
      spare: flags.spare,
      tls: flags.tls,
      tlsCertificates: flags['tls-certificates'],
      tlsPsk: flags['tls-psk'],
      tlsVerifyPeer: flags['tls-verify-peer'],
      unix: flags.unix,
    });
    this.exit(exitCode);
  }

  protected override catch(error: Error): Promise<never> {
    return reportError(this, error, this.argv);
  }
}
