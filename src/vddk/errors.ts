// What the disk library's error codes mean, and what a user can do about each.
// Pure. The rule: a remedy is a sentence that says what to do, not what went wrong again.
import { VddkNbdError } from '../base/errors.js';

/**
 * What an error of a read, write or flush says about the session: `session`, it is gone, a new
 * one may serve the request; `memory`, the request was too much at once; `final`, it would fail
 * again; `unclear`, a new session may help, and is tried once.
 */
export type ServingErrorClass = 'session' | 'memory' | 'final' | 'unclear';

interface VixErrorInfo {
  /** VMware's name, with its VIX_E_ prefix. */
  name: string;
  remedy?: string;
  /** A first open that fails with it is tried again: it passes. All others end the start. */
  passes?: true;
  /** Default: unclear. */
  serving?: ServingErrorClass;
}

const ACCESS = 'Check the permissions of the disk and its directory, or serve it read-only (-r).';
const NETWORK = 'Check the server name, its port and the network between here and there.';
const REPAIR = 'Check the disk with the tools of the program that made it; it looks damaged.';
const ENCRYPTED = 'Encrypted disks need their key; decrypt the disk first.';
const FORMAT = 'Convert the disk first, for example with qemu-img convert -O vmdk.';

/** The codes worth a name (the low 16 bits of a VixError). */
const VIX_ERRORS: Readonly<Record<number, VixErrorInfo>> = {
  1: { name: 'VIX_E_FAIL', remedy: 'Run again with -v to see what the library says.' },
  2: {
    name: 'VIX_E_OUT_OF_MEMORY',
    remedy: 'Free memory on this machine or on the host.',
    serving: 'memory',
  },
  3: {
    name: 'VIX_E_INVALID_ARG',
    remedy: 'Run again with -v to see what the library says.',
    serving: 'final',
  },
  4: {
    name: 'VIX_E_FILE_NOT_FOUND',
    remedy: 'Check the name, and that every extent is beside it.',
  },
  5: { name: 'VIX_E_OBJECT_IS_BUSY', remedy: 'Wait until the other task is done.', passes: true },
  6: { name: 'VIX_E_NOT_SUPPORTED', remedy: FORMAT, serving: 'final' },
  7: { name: 'VIX_E_FILE_ERROR', remedy: REPAIR },
  8: { name: 'VIX_E_DISK_FULL', remedy: 'Make room where the disk lies.', serving: 'final' },
  9: {
    name: 'VIX_E_INCORRECT_FILE_TYPE',
    remedy: 'Name the VMDK (its descriptor), not another file.',
  },
  11: { name: 'VIX_E_FILE_READ_ONLY', remedy: ACCESS, serving: 'final' },
  12: { name: 'VIX_E_FILE_ALREADY_EXISTS', serving: 'final' },
  13: { name: 'VIX_E_FILE_ACCESS_ERROR', remedy: ACCESS },
  15: {
    name: 'VIX_E_FILE_ALREADY_LOCKED',
    remedy: 'Stop the program that holds the disk, or open it read-only (-r) once it is gone.',
  },
  20: { name: 'VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT' },
  21: { name: 'VIX_E_FILE_TOO_BIG', serving: 'final' },
  22: { name: 'VIX_E_FILE_NAME_INVALID', remedy: 'Check the file name.', serving: 'final' },
  26: { name: 'VIX_E_HOST_NOT_CONNECTED', remedy: NETWORK, passes: true, serving: 'session' },
  30: { name: 'VIX_E_NEED_KEY', remedy: ENCRYPTED },
  32: { name: 'VIX_E_LICENSE' },
  34: { name: 'VIX_E_VM_HOST_DISCONNECTED', remedy: NETWORK, passes: true, serving: 'session' },
  35: { name: 'VIX_E_AUTHENTICATION_FAIL', remedy: 'Check user name and password.' },
  36: { name: 'VIX_E_HOST_CONNECTION_LOST', remedy: NETWORK, passes: true, serving: 'session' },
  1000: { name: 'VIX_E_INVALID_HANDLE', serving: 'session' },
  2000: { name: 'VIX_E_NOT_FOUND' },
  3014: { name: 'VIX_E_HOST_USER_PERMISSIONS', remedy: 'Give this user the missing privileges.' },
  4000: { name: 'VIX_E_VM_NOT_FOUND', remedy: 'Check the reference of the virtual machine.' },
  13003: { name: 'VIX_E_SNAPSHOT_NOTFOUND', remedy: 'Check the reference of the snapshot.' },
  13014: {
    name: 'VIX_E_SNAPSHOT_DISKLOCKED',
    remedy: 'Wait until the other task is done.',
    passes: true,
  },
  14005: { name: 'VIX_E_HOST_FILE_ERROR_EOF', remedy: REPAIR },
  14008: { name: 'VIX_E_HOST_SERVER_NOT_FOUND', remedy: NETWORK, serving: 'session' },
  14009: { name: 'VIX_E_HOST_NETWORK_CONN_REFUSED', remedy: NETWORK, serving: 'session' },
  14010: { name: 'VIX_E_HOST_TCP_SOCKET_ERROR', remedy: NETWORK, serving: 'session' },
  14011: { name: 'VIX_E_HOST_TCP_CONN_LOST', remedy: NETWORK, passes: true, serving: 'session' },
  14014: { name: 'VIX_E_HOST_SERVER_SHUTDOWN', remedy: NETWORK, passes: true, serving: 'session' },
  14015: {
    name: 'VIX_E_HOST_SERVER_NOT_AVAILABLE',
    remedy: NETWORK,
    passes: true,
    serving: 'session',
  },
  16000: { name: 'VIX_E_DISK_INVAL', remedy: REPAIR },
  16001: { name: 'VIX_E_DISK_NOINIT' },
  16002: { name: 'VIX_E_DISK_NOIO' },
  16003: {
    name: 'VIX_E_DISK_PARTIALCHAIN',
    remedy: 'Put all files of the chain beside each other.',
  },
  16006: { name: 'VIX_E_DISK_NEEDSREPAIR', remedy: REPAIR },
  16007: { name: 'VIX_E_DISK_OUTOFRANGE', serving: 'final' },
  16008: { name: 'VIX_E_DISK_CID_MISMATCH', remedy: 'The parent was changed; restore the chain.' },
  16010: { name: 'VIX_E_DISK_PARTMISMATCH', remedy: REPAIR },
  16011: { name: 'VIX_E_DISK_UNSUPPORTEDDISKVERSION', remedy: FORMAT },
  16012: { name: 'VIX_E_DISK_OPENPARENT', remedy: 'Put the parent disk where the child names it.' },
  16013: { name: 'VIX_E_DISK_NOTSUPPORTED', remedy: FORMAT },
  16014: { name: 'VIX_E_DISK_NEEDKEY', remedy: ENCRYPTED },
  16017: { name: 'VIX_E_DISK_NOKEY', remedy: ENCRYPTED },
  16027: {
    name: 'VIX_E_DISK_TOOMANYOPENFILES',
    remedy: 'Raise the limit of open files (ulimit -n).',
  },
  16030: { name: 'VIX_E_DISK_INVALIDCHAIN', remedy: 'Restore the chain of snapshots.' },
  16052: { name: 'VIX_E_DISK_KEY_NOTFOUND' },
  16053: { name: 'VIX_E_DISK_SUBSYSTEM_INIT_FAIL' },
  16054: {
    name: 'VIX_E_DISK_INVALID_CONNECTION',
    remedy: NETWORK,
    passes: true,
    serving: 'session',
  },
  16063: { name: 'VIX_E_DISK_INVALIDDISK', remedy: REPAIR },
  16064: { name: 'VIX_E_DISK_NOLICENSE' },
  16065: { name: 'VIX_E_DISK_NODEVICE' },
  16066: { name: 'VIX_E_DISK_UNSUPPORTEDDEVICE' },
  18000: { name: 'VIX_E_CANNOT_CONNECT_TO_HOST', remedy: NETWORK, serving: 'session' },
  18001: { name: 'VIX_E_NOT_FOR_REMOTE_HOST' },
  18002: { name: 'VIX_E_INVALID_HOSTNAME_SPECIFICATION', remedy: 'Check the server name.' },
  20004: { name: 'VIX_E_FILE_NAME_TOO_LONG', remedy: 'Use a shorter path.', serving: 'final' },
};

/** A refused call, as the helper reports it. */
export interface Refusal {
  /** The function that failed. */
  call: string;
  /** All 64 bits of the VixError. */
  vixError: number | bigint;
  /** The library's GetErrorText, or the helper's own words. */
  message: string;
  /** Set when the helper itself is the cause: load, symbol, state, parameter, arena. */
  helperError: string | undefined;
}

/** The part of a VixError that says what is wrong; the rest is additional information. */
export function vixErrorCode(vixError: number | bigint): number {
  return Number(BigInt(vixError) & 0xffffn);
}

/** VMware's name of a code, with the number: `VIX_E_DISK_FULL (8)`. */
export function vixErrorName(vixError: number | bigint): string {
  const code = vixErrorCode(vixError);
  return `${VIX_ERRORS[code]?.name ?? 'VixError'} (${code})`;
}

/** How the supervisor treats the library's errors: the columns of the table above. */
export const vixErrorPolicy = {
  /** Whether a first open that failed with it is worth another attempt. */
  passes: (vixError: number | bigint): boolean =>
    VIX_ERRORS[vixErrorCode(vixError)]?.passes === true,
  /** Whether the host refused who we are: to ask again and again locks accounts. */
  isRejectedLogin: (vixError: number | bigint): boolean => vixErrorCode(vixError) === 35,
  /** What it means for a request of an open disk. */
  whileServing: (vixError: number | bigint): ServingErrorClass =>
    VIX_ERRORS[vixErrorCode(vixError)]?.serving ?? 'unclear',
};

/** What the helper itself could not do, which has nothing to do with the disk. */
function helperTrouble(kind: string, text: string): VddkNbdError {
  switch (kind) {
    case 'load':
      return new VddkNbdError('START', `the disk library can't be loaded: ${text}`, {
        hint: 'Install what the library misses, or use engine=builtin for a local file.',
      });
    case 'symbol':
      return new VddkNbdError('START', `the disk library is too old or not VDDK: ${text}`, {
        hint: 'Use VDDK 5.1.1 or newer, or engine=builtin for a local file.',
      });
    default:
      return new VddkNbdError('HELPER', `the helper could not start: ${kind}: ${text}`, {
        hint: 'Run again with -v, and report this.',
      });
  }
}

/**
 * The error for a user of a call that the library or the helper refused.
 * `libraryLine` is the last thing the library warned of: often the only place with the reason.
 */
export function explainRefusal(refusal: Refusal, libraryLine: string | undefined): VddkNbdError {
  if (refusal.helperError !== undefined) {
    return helperTrouble(refusal.helperError, refusal.message);
  }
  const reason = libraryLine === undefined ? refusal.message : `${refusal.message}: ${libraryLine}`;
  const hint = VIX_ERRORS[vixErrorCode(refusal.vixError)]?.remedy;
  const name = vixErrorName(refusal.vixError);
  return new VddkNbdError(
    'VIX',
    `${refusal.call} failed with ${name}: ${reason.trim().replace(/\.$/, '')}`,
    { hint: hint ?? 'Run again with -v to see what the library says.' },
  );
}
