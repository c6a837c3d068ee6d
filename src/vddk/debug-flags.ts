// The -D flags of nbdkit's vddk plugin. Pure. They show in the log with -v alone, as nbdkit's do.
// The rule: a flag that has no effect here is accepted, and said to have none.
import { VddkNbdError } from '../base/errors.js';
import { nearest } from './nearest.js';

export interface DebugFlags {
  /** Log what GetInfo says of the disk when it is opened. */
  diskinfo: boolean;
  /** Flags that were switched on and do nothing here. */
  idle: string[];
}

const NAMES = ['vddk.diskinfo', 'vddk.datapath', 'vddk.extents', 'vddk.stats'] as const;

/**
 * Reads the values of -D, like `vddk.diskinfo=1`. Flags of nbdkit's core mean nothing here.
 * @throws VddkNbdError USAGE for one that is unknown or not a number.
 */
export function parseDebugFlags(texts: readonly string[]): DebugFlags {
  const flags: DebugFlags = { diskinfo: false, idle: [] };
  for (const text of texts) {
    const [, name = '', value] = /^([\w.-]+)=(\d+)$/.exec(text) ?? [];
    if (value === undefined) {
      throw new VddkNbdError('USAGE', `-D ${text}: not NAME=NUMBER`, {
        hint: 'Write it like -D vddk.diskinfo=1.',
      });
    }
    if (name.startsWith('nbdkit.')) continue;
    const known = NAMES.find((each) => each === name);
    if (known === undefined) {
      throw new VddkNbdError('USAGE', `-D ${text}: there is no such debug flag`, {
        hint: `Did you mean ${nearest(name, NAMES)}?`,
      });
    }
    if (known === 'vddk.diskinfo') flags.diskinfo = value !== '0';
    else if (value !== '0') flags.idle.push(known);
  }
  return flags;
}
