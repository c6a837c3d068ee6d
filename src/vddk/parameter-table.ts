// Every key=value parameter, once: its name, how its value is read, and what help and the manual
// say about it. parameters.ts reads by it, `vddk-nbd serve --help` and the manual page print it.
// The rule: names and meanings are those of nbdkit's vddk plugin; nothing is added lightly.
import {
  CREATE_ADAPTER_TYPES,
  CREATE_HW_VERSIONS,
  CREATE_TYPES,
  parseAdapterType,
  parseCreateType,
  parseHwVersion,
} from './create.js';
import { parseSecret } from './secrets.js';
import {
  type Parse,
  parseAnything,
  parseBoolean,
  parseChoice,
  parseDiskSize,
  parseServer,
  parseSnapshot,
  parseText,
  parseThumbprint,
  parseTransports,
  parseUint16,
  parseVm,
} from './values.js';
import { parseWildcard } from './wildcard.js';

export const ENGINES = { auto: 'auto', vddk: 'vddk', builtin: 'builtin' } as const;
export type Engine = keyof typeof ENGINES;

/** compression=: the flag of VixDiskLib_Open. */
export const COMPRESSIONS = { none: 0, zlib: 16, fastlz: 32, skipz: 64 } as const;

/** Where help and manual list a parameter. */
export const PARAMETER_GROUPS = {
  disk: 'The disk',
  library: 'The library',
  remote: 'A disk on a server',
  create: 'A new disk',
} as const;

export interface ParameterRow<Value> {
  group: keyof typeof PARAMETER_GROUPS;
  /** What stands behind the = in help. */
  value: string;
  /** A few words for --help: lower case, no full stop. */
  summary: string;
  /** Sentences for the manual, in the Markdown of docs/manual.md. */
  details: string;
  parse: Parse<Value>;
  /** Whether it makes the disk a remote one. */
  remote?: true;
  /** Whether it is a secret, which may have any bytes. */
  secret?: true;
}

/** Keeps the type of a row's value. */
function row<Value>(it: ParameterRow<Value>): ParameterRow<Value> {
  return it;
}

const names = (choices: object): string => Object.keys(choices).join(', ');

export const PARAMETERS = {
  file: row({
    group: 'disk',
    value: 'PATH',
    summary: 'absolute path of the VMDK, or [DATASTORE] DIR/NAME.vmdk on a server',
    details:
      'The disk. A local one is named by its absolute path, one on a server as **[datastore] ' +
      'directory/name.vmdk** (see *The path of a remote disk*). The prefix **file=** may be left ' +
      'out.',
    parse: parseText,
  }),
  export: row({
    group: 'disk',
    value: 'WILDCARD',
    summary: 'instead of file: clients choose a file of the server that matches',
    details:
      "Instead of **file=**, for disks on a server: each client asks for a disk by NBD's name of " +
      'an export, and gets it if the name matches the pattern. **\\*** and **?** match slashes, ' +
      'too; **\\\\** takes the special meaning of what follows, so the brackets of a datastore ' +
      'are written **\\\\[** and **\\\\]**. Whoever can connect has all disks that match.',
    parse: parseWildcard,
  }),
  'single-link': row({
    group: 'disk',
    value: 'BOOL',
    summary: 'open this link of a chain of snapshots, without its parents',
    details:
      'Opens this link of a chain alone (VIXDISKLIB_FLAG_OPEN_SINGLE_LINK). What is a hole in ' +
      'this link may be data in a parent, so holes are not said to read as zeroes.',
    parse: parseBoolean,
  }),
  unbuffered: row({
    group: 'disk',
    value: 'BOOL',
    summary: 'do not cache on this machine (slow)',
    details:
      'Does not use the cache of this machine (VIXDISKLIB_FLAG_OPEN_UNBUFFERED). It is much ' +
      'slower.',
    parse: parseBoolean,
  }),
  engine: row({
    group: 'library',
    value: 'NAME',
    summary: 'auto (VDDK where it is found, else built-in), vddk, or builtin',
    details:
      '**auto**, the default, takes VDDK where it is found, and for a local disk the built-in ' +
      'engine otherwise. **vddk** and **builtin** take one or fail. (nbdkit has no such ' +
      'parameter.)',
    parse: parseChoice<Engine>(ENGINES),
  }),
  libdir: row({
    group: 'library',
    value: 'DIR',
    summary: 'where VDDK lies: its directory vmware-vix-disklib-distrib',
    details:
      'The directory that VDDK was unpacked to, **vmware-vix-disklib-distrib**; its **lib64**, ' +
      'or another directory that has the library in it, will do. See *The library*.',
    parse: parseText,
  }),
  config: row({
    group: 'library',
    value: 'FILE',
    summary: "VDDK's configuration file",
    details:
      "VDDK's configuration file, instead of those that it looks for itself. See *VDDK's " +
      'configuration file*.',
    parse: parseText,
  }),
  server: row({
    group: 'remote',
    value: 'HOST',
    summary: 'vCenter server or ESXi host',
    details: 'Name or address of the vCenter server or ESXi host, without a port.',
    parse: parseServer,
    remote: true,
  }),
  user: row({
    group: 'remote',
    value: 'NAME',
    summary: 'user to log in as',
    details: 'The user to log in as, like **root** or **administrator@vsphere.local**.',
    parse: parseText,
    remote: true,
  }),
  password: row({
    group: 'remote',
    value: '- | +FILE | -FD | PASSWORD',
    summary: 'ask for the password, read it from a file or descriptor, or take it as is',
    details:
      '**password=-** asks for it at the terminal. **password=+FILE** reads it from a file, ' +
      '**password=-FD** from the file descriptor of that number (of a pipe the first line); one ' +
      'newline at the end is not part of it. Anything else is the password itself: that is not ' +
      'safe, because everybody on this machine can see the arguments of programs.',
    parse: parseSecret,
    remote: true,
    secret: true,
  }),
  cookie: row({
    group: 'remote',
    value: '+FILE | -FD | COOKIE',
    summary: 'cookie of a session that is logged in already',
    details:
      'The cookie (**vmware_soap_session**) of a session that is logged in already, for vSphere ' +
      '6.7 and later; **user=** and **password=** are not needed then. It is as secret as a ' +
      'password, and may be read in the same ways.',
    parse: parseSecret,
    remote: true,
    secret: true,
  }),
  thumbprint: row({
    group: 'remote',
    value: 'XX:XX:...',
    summary: "thumbprint of the server's certificate",
    details:
      "The thumbprint of the server's certificate: 20 pairs of hex digits (SHA-1), or 32 " +
      '(SHA-256). See *Thumbprints*.',
    parse: parseThumbprint,
    remote: true,
  }),
  vm: row({
    group: 'remote',
    value: 'moref=ID',
    summary: 'reference of the virtual machine',
    details:
      'The managed object reference of the virtual machine: like **vm=moref=vm-16** on vCenter, ' +
      'like **vm=moref=2** on an ESXi host. See *References*.',
    parse: parseVm,
    remote: true,
  }),
  snapshot: row({
    group: 'remote',
    value: 'MOREF',
    summary: 'reference of the snapshot to read',
    details:
      'The managed object reference of a snapshot, like **snapshot-47**. The disks of a running ' +
      'machine can only be read through one.',
    parse: parseSnapshot,
  }),
  transports: row({
    group: 'remote',
    value: 'MODE:MODE',
    summary: 'transport modes to try, like nbdssl:nbd',
    details:
      'Transport modes in order of preference: **nbdssl**, **nbd**, **san**, **hotadd**, ' +
      '**file**. Without it VDDK chooses. See *Transport modes*.',
    parse: parseTransports,
  }),
  compression: row({
    group: 'remote',
    value: 'NAME',
    summary: `compress on the network: ${names(COMPRESSIONS)}`,
    details:
      `Compression between VDDK and the server: ${names(COMPRESSIONS)} (vSphere 6.5 and later, ` +
      'transport modes nbd and nbdssl). It costs more time than it saves on a fast network.',
    parse: parseChoice<number>(COMPRESSIONS),
  }),
  port: row({
    group: 'remote',
    value: 'N',
    summary: 'port of the server [default: 443]',
    details: "The port of the server's API. Default: 443.",
    parse: parseUint16,
    remote: true,
  }),
  nfchostport: row({
    group: 'remote',
    value: 'N',
    summary: 'port of the ESXi host for the data [default: 902]',
    details: 'The port of the ESXi host for the data (NFC). Default: 902.',
    parse: parseUint16,
    remote: true,
  }),
  create: row({
    group: 'create',
    value: 'BOOL',
    summary: 'create the disk first; it must not exist (local disks)',
    details:
      'Creates a local disk, which must not exist, before it is served. It is created once: ' +
      'never by a helper that takes the place of one that died.',
    parse: parseBoolean,
  }),
  'create-size': row({
    group: 'create',
    value: 'SIZE',
    summary: 'its size, like 10G: a multiple of 512 bytes',
    details: 'The size of the new disk, like **10G** or **2048s** (sectors); needed.',
    parse: parseDiskSize,
  }),
  'create-type': row({
    group: 'create',
    value: 'NAME',
    summary: 'its type [default: monolithic-sparse]',
    details: `The type of the new disk: ${names(CREATE_TYPES)}. Default: monolithic-sparse.`,
    parse: parseCreateType,
  }),
  'create-adapter-type': row({
    group: 'create',
    value: 'NAME',
    summary: 'its adapter [default: scsi-buslogic]',
    details: `Its adapter: ${names(CREATE_ADAPTER_TYPES)}. Default: scsi-buslogic.`,
    parse: parseAdapterType,
  }),
  'create-hwversion': row({
    group: 'create',
    value: 'NAME',
    summary: 'its hardware version [default: workstation5]',
    details:
      `Its virtual hardware version: ${names(CREATE_HW_VERSIONS)}, or a number. Default: ` +
      'workstation5.',
    parse: parseHwVersion,
  }),
  vimapiver: row({
    group: 'remote',
    value: 'ANY',
    summary: 'ignored, for compatibility',
    details: 'Ignored, as nbdkit does.',
    parse: parseAnything,
  }),
} as const;

export type ParameterKey = keyof typeof PARAMETERS;
export const PARAMETER_KEYS = Object.keys(PARAMETERS) as [ParameterKey, ...ParameterKey[]];

/** Those whose values are secret. */
export const SECRET_KEYS = PARAMETER_KEYS.filter((key) => 'secret' in PARAMETERS[key]);

/** What was given, by key. */
export type ParameterValues = {
  [Key in ParameterKey]?: ReturnType<(typeof PARAMETERS)[Key]['parse']>;
};

/** The lines of --help about the parameters. oclif takes blanks at the beginning of lines away. */
export function parameterHelp(): string {
  const groups = Object.entries(PARAMETER_GROUPS).map(([group, title]) => {
    const keys = PARAMETER_KEYS.filter((key) => PARAMETERS[key].group === group);
    const lines = keys.map((key) => `${key}=${PARAMETERS[key].value}: ${PARAMETERS[key].summary}`);
    return [`${title}:`, ...lines].join('\n');
  });
  return groups.join('\n\n');
}
