// The -D flags of nbdkit's vddk plugin. Pure. They show in the log with -v alone, as nbdkit's do.
// The rule: a flag that is not known is an error, but for those of nbdkit's core.
import { VddkNbdError } from '../base/errors.js';
import { nearest } from './nearest.js';

/** By the names of the flags, without `vddk.`; all are off unless they are given. */
export interface DebugFlags {
  /** Log each read, write and flush that the library is asked for. nbdkit has it on. */
  datapath: boolean;
  /** Log what GetInfo says of the disk when it is opened. */
  diskinfo: boolean;
  /** Log what the library says is allocated. */
  extents: boolean;
  /** Count calls, bytes and time of each function, and log them at the end. */
  stats: boolean;
}

/** In the order of the manual. */
export const DEBUG_FLAG_NAMES = [
  'vddk.diskinfo',
  'vddk.extents',
  'vddk.datapath',
  'vddk.stats',
] as const;

/**
 * Reads the values of -D, like `vddk.diskinfo=1`; the last of a flag counts. Flags of nbdkit's core
 * mean nothing here.
 * @throws VddkNbdError USAGE for one that is unknown or not a number.
 */
export function parseDebugFlags(texts: readonly string[]): DebugFlags {
  const flags: DebugFlags = { datapath: false, diskinfo: false, extents: false, stats: false };
  for (const text of texts) {
    const [, name = '', value] = /^([\w.-]+)=(\d+)$/.exec(text) ?? [];
    if (value === undefined) {
      throw new VddkNbdError('USAGE', `-D ${text}: not NAME=NUMBER`, {
        hint: 'Write it like -D vddk.diskinfo=1.',
      });
    }
    if (name.startsWith('nbdkit.')) continue;
    const known = DEBUG_FLAG_NAMES.find((each) => each === name);
    if (known === undefined) {
      throw new VddkNbdError('USAGE', `-D ${text}: there is no such debug flag`, {
        hint: `Did you mean ${nearest(name, DEBUG_FLAG_NAMES)}?`,
      });
    }
    flags[known.slice('vddk.'.length) as keyof DebugFlags] = value !== '0';
  }
  return flags;
}
