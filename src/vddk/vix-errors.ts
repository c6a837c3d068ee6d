// The disk library's error codes: what each means, what a user can do, what the supervisor makes of
// it. One table for messages, docs/errors.md, --json, and policy. Pure.
// The rule: a remedy is a sentence that says what to do, not what went wrong again.

/**
 * What an error of a read, write or flush says about the session: `session`, it is gone, a new
 * one may serve the request; `memory`, the request was too much at once; `final`, it would fail
 * again; `unclear`, a new session may help, and is tried once.
 */
export type ServingErrorClass = 'session' | 'memory' | 'final' | 'unclear';

export interface VixErrorInfo {
  /** VMware's name, with its VIX_E_ prefix. */
  name: string;
  /** What has happened, as the end of a sentence. */
  cause: string;
  /** What to do, in a sentence. */
  remedy: string;
  /** The same for a disk on a server, where that is another matter. */
  remedyOnServer?: string;
  /** The same for functions that mean something else by it. */
  remedyIn?: Readonly<Record<string, string>>;
  /** A first open that fails with it is tried again: it passes. All others end the start. */
  passes?: true;
  /** An Open that fails with it has logged in: the library looks for what is missing after that. */
  isBehindLogin?: true;
  /** Default: unclear. */
  serving?: ServingErrorClass;
}

const ACCESS = 'Check the permissions of the disk and its directory, or serve it read-only (-r).';
const NETWORK = 'Check the server name, its port and the network between here and there.';
const PORTS =
  'Let this machine connect to TCP port 443 of the server, and to 902 of the ESXi host that has ' +
  'the disk; port= and nfchostport= name others.';
const REPAIR = 'Check the disk with the tools of the program that made it; it looks damaged.';
const ENCRYPTED = 'Encrypted disks need their key; decrypt the disk first.';
const FORMAT = 'Convert the disk first, for example with qemu-img convert -O vmdk.';
const FAIL = 'Run again with -v to see what the library says.';
const LICENSE = 'Use a host with a license for the storage APIs: the free ESXi has none.';
const SNAPSHOT =
  'If the machine is running, take a snapshot and name it with snapshot=; else check the ' +
  "user's privileges on the machine and its datastore.";
const SERVER_SAYS_NOTHING =
  'Check thumbprint=, vm=, and that the disk is not an independent one; -v shows what the ' +
  'library says.';
const REPORT = 'This should not happen: run again with -v, and report it.';

/** The codes worth a name (the low 16 bits of a VixError). */
export const VIX_ERRORS: Readonly<Record<number, VixErrorInfo>> = {
  1: {
    name: 'VIX_E_FAIL',
    cause: 'the library gives no reason; its log has one',
    remedy: FAIL,
    remedyOnServer: SERVER_SAYS_NOTHING,
    remedyIn: {
      VixDiskLib_InitEx:
        'Check that libdir= is the directory that VDDK was unpacked to, and what config= names; ' +
        '-v shows what the library says.',
    },
  },
  2: {
    name: 'VIX_E_OUT_OF_MEMORY',
    cause: 'there is not enough memory, here or on the host',
    remedy: 'Free memory on this machine or on the host.',
    serving: 'memory',
  },
  3: {
    name: 'VIX_E_INVALID_ARG',
    cause: 'the library does not take one of the parameters',
    remedy: 'Check the parameters; -v shows what the library says about them.',
    serving: 'final',
  },
  4: {
    name: 'VIX_E_FILE_NOT_FOUND',
    isBehindLogin: true,
    cause: 'there is no such file, or one of its extents is missing',
    remedy: 'Check the name, and that every extent is beside it.',
    remedyOnServer: 'Check the name, which is like [datastore] directory/name.vmdk, and vm=.',
  },
  5: {
    name: 'VIX_E_OBJECT_IS_BUSY',
    cause: 'another task is working on the disk or the machine',
    remedy: 'Wait until the other task is done.',
    passes: true,
  },
  6: {
    name: 'VIX_E_NOT_SUPPORTED',
    cause: 'the library does not support this kind of disk or operation',
    remedy: FORMAT,
    remedyIn: {
      VixDiskLib_ConnectEx: 'Leave out snapshot= or transports=, or name others.',
    },
    serving: 'final',
  },
  7: {
    name: 'VIX_E_FILE_ERROR',
    cause: 'a file of the disk could not be read or written',
    remedy: REPAIR,
  },
  8: {
    name: 'VIX_E_DISK_FULL',
    cause: 'there is no room left where the disk lies',
    remedy: 'Make room where the disk lies.',
    serving: 'final',
  },
  9: {
    name: 'VIX_E_INCORRECT_FILE_TYPE',
    cause: 'the file is no disk, or not the one that describes it',
    remedy: 'Name the VMDK (its descriptor), not another file.',
  },
  10: { name: 'VIX_E_CANCELLED', cause: 'the operation was cancelled', remedy: 'Start it again.' },
  11: {
    name: 'VIX_E_FILE_READ_ONLY',
    cause: 'the disk, or its directory, may only be read',
    remedy: ACCESS,
    serving: 'final',
  },
  12: {
    name: 'VIX_E_FILE_ALREADY_EXISTS',
    cause: 'there is a file of this name already',
    remedy: 'Name another file, or remove that one.',
    serving: 'final',
  },
  13: {
    name: 'VIX_E_FILE_ACCESS_ERROR',
    cause:
      'this user may not open the disk; on a server also: the machine is running, and the disk ' +
      'can only be read through a snapshot',
    remedy: ACCESS,
    remedyOnServer: SNAPSHOT,
  },
  14: {
    name: 'VIX_E_REQUIRES_LARGE_FILES',
    cause: 'the file system can not have files of this size',
    remedy: 'Put the disk on a file system for larger files.',
  },
  15: {
    name: 'VIX_E_FILE_ALREADY_LOCKED',
    isBehindLogin: true,
    cause: 'another program has the disk open, or a machine that runs has',
    remedy: 'Stop the program that holds the disk, or open it read-only (-r) once it is gone.',
  },
  20: {
    name: 'VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT',
    cause: 'this can not be done with a disk on a server',
    remedy: 'Use a local disk for it.',
  },
  21: {
    name: 'VIX_E_FILE_TOO_BIG',
    cause: 'the file would be too large for its file system',
    remedy: 'Put the disk on a file system for larger files.',
    serving: 'final',
  },
  22: {
    name: 'VIX_E_FILE_NAME_INVALID',
    cause: 'the name of the disk is not valid',
    remedy: 'Check the file name.',
    serving: 'final',
  },
  23: {
    name: 'VIX_E_ALREADY_EXISTS',
    cause: 'there is an object of this name already',
    remedy: 'Name another one.',
  },
  24: { name: 'VIX_E_BUFFER_TOOSMALL', cause: 'a buffer was too small', remedy: REPORT },
  25: {
    name: 'VIX_E_OBJECT_NOT_FOUND',
    cause: 'the server does not know the object',
    remedy: 'Check vm=, snapshot= and the path of the disk.',
  },
  26: {
    name: 'VIX_E_HOST_NOT_CONNECTED',
    cause: 'the host is not connected to vCenter',
    remedy: NETWORK,
    passes: true,
    serving: 'session',
  },
  30: { name: 'VIX_E_NEED_KEY', cause: 'the disk is encrypted', remedy: ENCRYPTED },
  32: { name: 'VIX_E_LICENSE', cause: "the host's license does not allow this", remedy: LICENSE },
  34: {
    name: 'VIX_E_VM_HOST_DISCONNECTED',
    cause: 'vCenter has lost the host of the machine',
    remedy: NETWORK,
    passes: true,
    serving: 'session',
  },
  35: {
    name: 'VIX_E_AUTHENTICATION_FAIL',
    cause: 'the server refused user name and password, or the session of the cookie has ended',
    remedy:
      'Check user= and password=, or log in anew for a cookie; vCenter wants the domain too, ' +
      'like administrator@vsphere.local.',
  },
  36: {
    name: 'VIX_E_HOST_CONNECTION_LOST',
    cause: 'the connection to the host was lost',
    remedy: NETWORK,
    passes: true,
    serving: 'session',
  },
  1000: {
    name: 'VIX_E_INVALID_HANDLE',
    cause: 'the library does not know the handle any more',
    remedy: REPORT,
    serving: 'session',
  },
  2000: {
    name: 'VIX_E_NOT_FOUND',
    cause: 'the server does not know the object',
    remedy: 'Check vm=, snapshot= and the path of the disk.',
  },
  3014: {
    name: 'VIX_E_HOST_USER_PERMISSIONS',
    cause: 'this user lacks a privilege on the host',
    remedy: 'Give this user the missing privileges.',
  },
  4000: {
    name: 'VIX_E_VM_NOT_FOUND',
    isBehindLogin: true,
    cause: 'the server has no machine of this reference',
    remedy:
      'Check vm=: on vCenter it is like moref=vm-16, on an ESXi host like moref=2; the same ' +
      'machine has different ones on the two.',
  },
  13003: {
    name: 'VIX_E_SNAPSHOT_NOTFOUND',
    isBehindLogin: true,
    cause: 'the server has no snapshot of this reference',
    remedy:
      'Check snapshot=: it must be one of this machine, by the reference that the server has.',
  },
  13014: {
    name: 'VIX_E_SNAPSHOT_DISKLOCKED',
    isBehindLogin: true,
    cause: 'another task holds the disk of the snapshot',
    remedy: 'Wait until the other task is done.',
    passes: true,
  },
  14003: {
    name: 'VIX_E_HOST_DISK_INVALID_VALUE',
    cause: 'a value in the description of the disk is not valid',
    remedy: REPAIR,
  },
  14004: {
    name: 'VIX_E_HOST_DISK_SECTORSIZE',
    cause: "the size of the disk's sectors is not supported",
    remedy: FORMAT,
  },
  14005: {
    name: 'VIX_E_HOST_FILE_ERROR_EOF',
    cause: 'the file of the disk ends too early',
    remedy: REPAIR,
  },
  14006: {
    name: 'VIX_E_HOST_NETBLKDEV_HANDSHAKE',
    cause: 'the host answers otherwise than NFC should',
    remedy: PORTS,
  },
  14007: {
    name: 'VIX_E_HOST_SOCKET_CREATION_ERROR',
    cause: 'no network socket could be made',
    remedy: 'Raise the limit of open files (ulimit -n).',
  },
  14008: {
    name: 'VIX_E_HOST_SERVER_NOT_FOUND',
    cause: 'the name of the server can not be resolved',
    remedy: 'Check server=, and the DNS of this machine.',
    serving: 'session',
  },
  14009: {
    name: 'VIX_E_HOST_NETWORK_CONN_REFUSED',
    cause: 'the server refused the connection',
    remedy: PORTS,
    serving: 'session',
  },
  14010: {
    name: 'VIX_E_HOST_TCP_SOCKET_ERROR',
    cause: 'the network failed',
    remedy: PORTS,
    serving: 'session',
  },
  14011: {
    name: 'VIX_E_HOST_TCP_CONN_LOST',
    cause: 'the connection to the host was lost',
    remedy: NETWORK,
    passes: true,
    serving: 'session',
  },
  14012: {
    name: 'VIX_E_HOST_NBD_HASHFILE_VOLUME',
    cause: 'the hash file of the transport can not be used',
    remedy: 'Make room for temporary files here.',
  },
  14013: {
    name: 'VIX_E_HOST_NBD_HASHFILE_INIT',
    cause: 'the hash file of the transport can not be made',
    remedy: 'Make room for temporary files here.',
  },
  14014: {
    name: 'VIX_E_HOST_SERVER_SHUTDOWN',
    cause: 'the host is shutting down or restarting its services',
    remedy: NETWORK,
    passes: true,
    serving: 'session',
  },
  14015: {
    name: 'VIX_E_HOST_SERVER_NOT_AVAILABLE',
    cause: 'the host is not available',
    remedy: NETWORK,
    passes: true,
    serving: 'session',
  },
  16000: { name: 'VIX_E_DISK_INVAL', cause: 'the disk is damaged, or no disk', remedy: REPAIR },
  16001: {
    name: 'VIX_E_DISK_NOINIT',
    cause: "the library's disk layer was not initialised",
    remedy: REPORT,
  },
  16002: { name: 'VIX_E_DISK_NOIO', cause: 'the disk can not be read or written', remedy: REPAIR },
  16003: {
    name: 'VIX_E_DISK_PARTIALCHAIN',
    cause: 'a link of the chain of snapshots is missing',
    remedy: 'Put all files of the chain beside each other.',
  },
  16006: {
    name: 'VIX_E_DISK_NEEDSREPAIR',
    cause: 'the disk was not closed properly',
    remedy: REPAIR,
  },
  16007: {
    name: 'VIX_E_DISK_OUTOFRANGE',
    cause: 'the request is beyond the end of the disk',
    remedy: REPORT,
    serving: 'final',
  },
  16008: {
    name: 'VIX_E_DISK_CID_MISMATCH',
    cause: 'the parent of the disk has changed since the child was made',
    remedy: 'The parent was changed; restore the chain.',
  },
  16010: {
    name: 'VIX_E_DISK_PARTMISMATCH',
    cause: 'the sizes of the links of the chain differ',
    remedy: REPAIR,
  },
  16011: {
    name: 'VIX_E_DISK_UNSUPPORTEDDISKVERSION',
    cause: "the version of the disk's format is unknown",
    remedy: FORMAT,
  },
  16012: {
    name: 'VIX_E_DISK_OPENPARENT',
    cause: 'the parent of the disk can not be opened',
    remedy: 'Put the parent disk where the child names it.',
  },
  16013: {
    name: 'VIX_E_DISK_NOTSUPPORTED',
    cause: 'the library does not support this kind of disk',
    remedy: FORMAT,
  },
  16014: { name: 'VIX_E_DISK_NEEDKEY', cause: 'the disk is encrypted', remedy: ENCRYPTED },
  16017: {
    name: 'VIX_E_DISK_NOKEY',
    cause: 'the disk is encrypted, and there is no key for it',
    remedy: ENCRYPTED,
  },
  16027: {
    name: 'VIX_E_DISK_TOOMANYOPENFILES',
    cause: 'this process has too many files open',
    remedy: 'Raise the limit of open files (ulimit -n).',
  },
  16030: {
    name: 'VIX_E_DISK_INVALIDCHAIN',
    cause: 'the chain of snapshots is broken',
    remedy: 'Restore the chain of snapshots.',
  },
  16052: {
    name: 'VIX_E_DISK_KEY_NOTFOUND',
    cause: 'the disk has no such metadata',
    remedy: REPORT,
  },
  16053: {
    name: 'VIX_E_DISK_SUBSYSTEM_INIT_FAIL',
    cause: "the library's disk layer could not be initialised",
    remedy: REPORT,
  },
  16054: {
    name: 'VIX_E_DISK_INVALID_CONNECTION',
    cause: 'the library does not know the connection any more',
    remedy: NETWORK,
    passes: true,
    serving: 'session',
  },
  16063: {
    name: 'VIX_E_DISK_INVALIDDISK',
    cause: 'the disk is damaged, or no disk',
    remedy: REPAIR,
  },
  16064: {
    name: 'VIX_E_DISK_NOLICENSE',
    cause: "the host's license does not allow access to disks",
    remedy: LICENSE,
  },
  16065: { name: 'VIX_E_DISK_NODEVICE', cause: 'the device does not exist', remedy: FORMAT },
  16066: {
    name: 'VIX_E_DISK_UNSUPPORTEDDEVICE',
    cause: 'the device is not supported',
    remedy: FORMAT,
  },
  18000: {
    name: 'VIX_E_CANNOT_CONNECT_TO_HOST',
    cause: 'the server can not be reached',
    remedy: PORTS,
    serving: 'session',
  },
  18001: {
    name: 'VIX_E_NOT_FOR_REMOTE_HOST',
    cause: 'this can not be done on a remote host',
    remedy: 'Use a local disk for it.',
  },
  18002: {
    name: 'VIX_E_INVALID_HOSTNAME_SPECIFICATION',
    cause: 'the name of the server is not valid',
    remedy: 'Check the server name.',
  },
  20004: {
    name: 'VIX_E_FILE_NAME_TOO_LONG',
    cause: 'the name of the file is too long',
    remedy: 'Use a shorter path.',
    serving: 'final',
  },
  26000: {
    name: 'VIX_E_ASYNC_MIXEDMODE_UNSUPPORTED',
    cause: 'synchronous and asynchronous calls were mixed',
    remedy: REPORT,
  },
};
