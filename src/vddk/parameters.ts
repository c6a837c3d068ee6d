// The `key=value` arguments of a command line, with the names that nbdkit's vddk plugin gave them.
// Pure: strings in, a record out; nothing is looked up on the machine.
// The rule: an argument that isn't understood is an error that names the nearest known one.
import { VddkNbdError } from '../base/errors.js';
import { type CreateDisk, createDisk } from './create.js';
import { nearest } from './nearest.js';
import {
  type Engine,
  PARAMETER_KEYS,
  type ParameterKey,
  PARAMETERS,
  type ParameterValues,
  SECRET_KEYS,
} from './parameter-table.js';
import type { SecretSource } from './secrets.js';
import { requireUtf8, TRANSPORT_MODES } from './values.js';

export type { Engine } from './parameter-table.js';

/** How to reach a disk on a server. `Secret` is where it comes from, or its bytes. */
export interface RemoteParameters<Secret> {
  server: string;
  vm: string;
  user: string | undefined;
  password: Secret | undefined;
  cookie: Secret | undefined;
  thumbprint: string | undefined;
  /** 0: the library's default. */
  port: number;
  nfcHostPort: number;
}

/** What the arguments said. */
export interface DiskParameters<Secret = Buffer> {
  /** One of the two is given, or neither if the files are named elsewhere. */
  file: string | undefined;
  exportPattern: string | undefined;
  engine: Engine;
  libdir: string | undefined;
  config: string | undefined;
  /** Undefined for a local disk. */
  remote: RemoteParameters<Secret> | undefined;
  snapshot: string | undefined;
  transports: string | undefined;
  singleLink: boolean;
  unbuffered: boolean;
  /** The flag of VixDiskLib_Open; 0: none. */
  compression: number;
  create: CreateDisk | undefined;
}

/** The parameters, and what the user should know about them. */
export interface ParsedParameters {
  parameters: DiskParameters<SecretSource>;
  warnings: string[];
}

/** `key=value` in two; undefined if the part before '=' could not be a key (a path, say). */
export function splitArgument(argument: string): [string, string] | undefined {
  const match = /^([A-Za-z][A-Za-z0-9_.-]*)=(.*)$/s.exec(argument);
  return match ? [match[1] ?? '', match[2] ?? ''] : undefined;
}

/** What is left out in messages, because of who else could read them. */
function unknownParameter(name: string): VddkNbdError {
  return new VddkNbdError('USAGE', `unknown parameter '${name}'`, {
    hint: `Did you mean ${nearest(name, PARAMETER_KEYS)}=? Known are ${PARAMETER_KEYS.join(', ')}.`,
  });
}

/** The parameter that a bare argument was meant to be: no disk has such a path. */
function withoutEquals(argument: string): ParameterKey | undefined {
  const word = /^[^\s:]*/.exec(argument)?.[0].toLowerCase();
  return PARAMETER_KEYS.find((key) => key === word);
}

/** The key and the text of an argument; a bare one is the file. */
function classify(argument: string): [ParameterKey, string] {
  const parts = splitArgument(argument);
  if (parts === undefined) {
    const meant = withoutEquals(argument);
    if (meant === undefined) return ['file', argument];
    // Not the argument itself: it may be a password.
    throw new VddkNbdError('USAGE', `${meant} lacks its =`, {
      hint: `Write ${meant}=${PARAMETERS[meant].value}, without blanks.`,
    });
  }
  const key = PARAMETER_KEYS.find((name) => name === parts[0]);
  if (key !== undefined) return [key, parts[1]];
  throw unknownParameter(parts[0]);
}

/**
 * Refuses what a blank has cut from the secret in front of it: taken for the disk, it would be in
 * every message about it. Who has an empty password names the disk by its key.
 */
function refuseCutSecret(before: string | undefined, argument: string): void {
  const [key, text = ''] = splitArgument(before ?? '') ?? [];
  if (!SECRET_KEYS.some((name) => name === key)) return;
  if (text === '') {
    if (PARAMETER_KEYS.some((name) => name === splitArgument(argument)?.[0])) return;
    throw new VddkNbdError('USAGE', `${key}= is empty, and what follows it has no key`, {
      hint: `Write ${key}=+FILE or ${key}=-FD, without a blank behind the =, and file=DISK.`,
    });
  }
  if (/^[+-]/.test(text) || /^[[/]/.test(argument) || splitArgument(argument)) return;
  throw new VddkNbdError('USAGE', `what follows ${key}= is no disk, and has no key`, {
    hint: `Put a secret with blanks into a file, and write ${key}=+FILE.`,
  });
}

function parseValues(argv: readonly string[]): ParameterValues {
  const values = new Map<ParameterKey, unknown>();
  for (const [index, argument] of argv.entries()) {
    refuseCutSecret(argv[index - 1], argument);
    const [key, text] = classify(argument);
    if (values.has(key)) {
      throw new VddkNbdError('USAGE', `${key}= is given twice`, { hint: 'Give it once.' });
    }
    if (!SECRET_KEYS.includes(key)) requireUtf8(text, key);
    values.set(key, PARAMETERS[key].parse(text, key));
  }
  return Object.fromEntries(values);
}

function remoteOf(values: ParameterValues): RemoteParameters<SecretSource> | undefined {
  const given = PARAMETER_KEYS.filter((key) => key in values && 'remote' in PARAMETERS[key]);
  if (given.length === 0) return undefined;
  const credentials = values.cookie === undefined ? (['user', 'password'] as const) : [];
  const missing = (['server', 'vm', ...credentials] as const).filter((key) => !(key in values));
  if (missing.length > 0 || values.server === undefined || values.vm === undefined) {
    const list = missing.map((key) => `${key}=`).join(', ');
    throw new VddkNbdError('USAGE', `a disk on a server also needs ${list}`, {
      hint: `Give it, or leave out ${given.map((key) => `${key}=`).join(', ')} for a local disk.`,
    });
  }
  return {
    server: values.server,
    vm: values.vm,
    user: values.user,
    password: values.password,
    cookie: values.cookie,
    thumbprint: values.thumbprint,
    port: values.port ?? 0,
    nfcHostPort: values.nfchostport ?? 0,
  };
}

function createOf(values: ParameterValues): CreateDisk | undefined {
  const sizeBytes = values['create-size'];
  if (values.create !== true) {
    const idle = PARAMETER_KEYS.find((key) => key.startsWith('create-') && key in values);
    if (idle === undefined || values.create === false) return undefined;
    throw new VddkNbdError('USAGE', `${idle}= has no effect without create=true`, {
      hint: 'Add create=true, or leave it out.',
    });
  }
  if (sizeBytes === undefined) {
    throw new VddkNbdError('USAGE', 'create=true needs the size of the disk', {
      hint: 'Add create-size=, like create-size=10G.',
    });
  }
  return createDisk({
    sizeBytes,
    type: values['create-type'],
    adapterType: values['create-adapter-type'],
    hwVersion: values['create-hwversion'],
  });
}

/** What can't go together. */
function checkTogether(it: DiskParameters<SecretSource>, filesElsewhere: boolean): void {
  const usage = (message: string, hint: string): VddkNbdError =>
    new VddkNbdError('USAGE', message, { hint });
  if (it.file !== undefined && it.exportPattern !== undefined) {
    throw usage('file= and export= exclude each other', 'Leave one of them out.');
  }
  if (it.exportPattern !== undefined && !it.remote) {
    throw usage(
      'export= is for disks on a server, which is not given',
      'Name a local disk with file=, or give server=, vm=, user= and password=.',
    );
  }
  if (it.create && it.remote) {
    throw usage('create=true is for local disks', 'Create the disk with the tools of vSphere.');
  }
  if (it.remote && it.engine === 'builtin') {
    throw usage('engine=builtin has local disks only', 'Leave it out, and install VDDK.');
  }
  if (it.file === undefined && it.exportPattern === undefined && !filesElsewhere) {
    throw usage(
      'no disk is given',
      it.remote
        ? "Name it: file='[datastore] vm/vm.vmdk'."
        : 'Name a VMDK by its absolute path: vddk-nbd serve file=/path/disk.vmdk.',
    );
  }
}

/** What is no error, but hardly meant. */
function warningsOf(it: DiskParameters<SecretSource>): string[] {
  const warnings: string[] = [];
  for (const mode of it.transports?.toLowerCase().split(':') ?? []) {
    if (!(TRANSPORT_MODES as readonly string[]).includes(mode)) {
      const guess = nearest(mode, TRANSPORT_MODES);
      warnings.push(`transports=: VDDK is not known to have '${mode}'; did you mean ${guess}?`);
    }
  }
  const onHost = /^moref=\d+$/.test(it.remote?.vm ?? '');
  const snapshotOfHost = /^\d+-snapshot-/.test(it.snapshot ?? '');
  if (it.remote && it.snapshot !== undefined && onHost !== snapshotOfHost) {
    const kind = (host: boolean): string => (host ? 'an ESXi host' : 'vCenter');
    warnings.push(
      `vm=${it.remote.vm} looks like ${kind(onHost)}, snapshot=${it.snapshot} like ` +
        `${kind(snapshotOfHost)}; both must be those of server=${it.remote.server}`,
    );
  }
  return warnings;
}

/**
 * Reads what of the arguments is about the library; a disk need not be among them.
 * @throws VddkNbdError USAGE for what is unknown, doubled or malformed.
 */
export function parseLibraryParameters(
  argv: readonly string[],
): Pick<DiskParameters, 'config' | 'engine' | 'libdir'> {
  const { config, engine = 'auto', libdir } = parseValues(argv);
  return { config, engine, libdir };
}

/**
 * Reads the arguments of one disk. A bare argument is the file. With `filesElsewhere` the disk may
 * be missing: something else names it.
 * @throws VddkNbdError USAGE for what is unknown, doubled, malformed, missing, or contradictory.
 */
export function parseParameters(
  argv: readonly string[],
  { filesElsewhere = false }: { filesElsewhere?: boolean } = {},
): ParsedParameters {
  const values = parseValues(argv);
  const parameters: DiskParameters<SecretSource> = {
    file: values.file,
    exportPattern: values.export,
    engine: values.engine ?? 'auto',
    libdir: values.libdir,
    config: values.config,
    remote: remoteOf(values),
    snapshot: values.snapshot,
    transports: values.transports,
    singleLink: values['single-link'] ?? false,
    unbuffered: values.unbuffered ?? false,
    compression: values.compression ?? 0,
    create: createOf(values),
  };
  checkTogether(parameters, filesElsewhere);
  return { parameters, warnings: warningsOf(parameters) };
}
