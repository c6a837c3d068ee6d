// Refusals of the library and of the helper in a user's words, by the table of vix-errors.ts and
// what the library said. Pure; program/explain-open.ts calls it.
// The rule: what happened, why, and what to do about it, in this order and once.
import { VddkNbdError } from '../base/errors.js';
import { COOKIE_REJECTED, diagnose, type Diagnosis } from './diagnosis.js';
import { type ServingErrorClass, VIX_ERRORS } from './vix-errors.js';

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
  /** Whether an Open that fails with it has logged in all the same. */
  isBehindLogin: (vixError: number | bigint): boolean =>
    VIX_ERRORS[vixErrorCode(vixError)]?.isBehindLogin === true,
  /** What it means for a request of an open disk. */
  whileServing: (vixError: number | bigint): ServingErrorClass =>
    VIX_ERRORS[vixErrorCode(vixError)]?.serving ?? 'unclear',
};

/** What else is known where a refusal is explained. */
export interface RefusalContext {
  /** The last that the library warned of: often the only place with the reason. */
  libraryLine?: string | undefined;
  /** The reason in the library's log, if a known one was found. */
  diagnosis?: Diagnosis | undefined;
  /** Whether the disk is on a server. */
  remote?: boolean;
  /** Whether the login there is by a cookie. */
  byCookie?: boolean;
}

/** What the helper itself could not do, which has nothing to do with the disk. */
function helperTrouble(kind: string, text: string): VddkNbdError {
  const details = { helperError: kind };
  switch (kind) {
    case 'load': {
      const lines = text.split('\n').map((line) => line.trim());
      return new VddkNbdError('START', `the disk library can't be loaded: ${lines.join('; ')}`, {
        hint:
          diagnose(lines)?.remedy ??
          'Install what the library misses, or use engine=builtin for a local file.',
        details,
      });
    }
    case 'symbol': {
      const missing = text.replace(/^missing functions? /gm, '').replaceAll('\n', ', ');
      const message = `the disk library is too old or not VDDK: it lacks ${missing}`;
      return new VddkNbdError('START', message, {
        hint: 'Use VDDK 5.1.1 or newer, or engine=builtin for a local file.',
        details,
      });
    }
    case 'fence':
      return new VddkNbdError('START', text, {
        hint: 'Stop that program, or serve the disk read-only (-r).',
      });
    default:
      return new VddkNbdError('HELPER', `the helper could not start: ${kind}: ${text}`, {
        hint: 'Run again with -v, and report this.',
        details,
      });
  }
}

/** Without blanks around it and a full stop behind it. */
function phrase(text: string): string {
  return text.trim().replace(/\.$/, '');
}

/** What the table says to do; `remote`: about a disk on a server. */
function remedyOf({ call, vixError }: Refusal, remote: boolean): string | undefined {
  const row = VIX_ERRORS[vixErrorCode(vixError)];
  // Before ConnectEx the library knows of no disk and no server.
  const ofDisk = remote && call !== 'VixDiskLib_InitEx' ? row?.remedyOnServer : undefined;
  return row?.remedyIn?.[call] ?? ofDisk ?? row?.remedy;
}

/** The error for a user of a call that the library or the helper refused. */
export function explainRefusal(refusal: Refusal, context: RefusalContext = {}): VddkNbdError {
  if (refusal.helperError !== undefined) {
    return helperTrouble(refusal.helperError, refusal.message);
  }
  const { byCookie = false, libraryLine, remote = false } = context;
  const isRejectedLogin = vixErrorPolicy.isRejectedLogin(refusal.vixError);
  const diagnosis =
    context.diagnosis ?? (byCookie && isRejectedLogin ? COOKIE_REJECTED : undefined);
  const row = VIX_ERRORS[vixErrorCode(refusal.vixError)];
  const name = vixErrorName(refusal.vixError);
  const said = diagnosis?.cause ?? libraryLine;
  const message = [`${refusal.call} failed with ${name}`, phrase(refusal.message)];
  if (said !== undefined) message.push(phrase(said));
  const remedy =
    diagnosis?.remedy ??
    remedyOf(refusal, remote) ??
    'Run again with -v to see what the library says.';
  return new VddkNbdError('VIX', message.filter((part) => part !== '').join(': '), {
    hint: remedy,
    details: {
      call: refusal.call,
      vixError: String(refusal.vixError),
      vixErrorCode: vixErrorCode(refusal.vixError),
      vixErrorName: row?.name,
      diagnosis: diagnosis?.id,
      cause: diagnosis?.cause ?? row?.cause,
      remedy,
    },
  });
}
