// The flags of serve about memory: how much there is, and how much of it may hold what was read
// ahead or read before. The rule: what was asked for in vain is refused, not made smaller.
import { Flags } from '@oclif/core';
import { VddkNbdError } from '../base/errors.js';
import {
  MEMORY_BYTES_DEFAULT,
  READAHEAD_BYTES_DEFAULT,
  READAHEAD_BYTES_MIN,
  SPECULATIVE_BYTES_MAX,
} from '../base/limits.js';
import { formatBytes, parseSizeBytes } from '../base/units.js';

const SERVER = 'SERVER';

export const memoryFlags = {
  cache: Flags.string({
    helpGroup: SERVER,
    helpValue: 'SIZE',
    summary: 'memory for what may be read again: a size, on (a quarter of --memory), or off',
  }),
  memory: Flags.string({
    helpGroup: SERVER,
    helpValue: 'SIZE',
    summary: `memory for data in flight, like 1G [default: ${formatBytes(MEMORY_BYTES_DEFAULT)}]`,
  }),
  readahead: Flags.string({
    helpGroup: SERVER,
    helpValue: 'SIZE',
    summary: 'how far to read ahead of clients that read on and on: a size, on, or off',
  }),
};

/** What the flags say, in bytes; 0 is off. */
export interface MemorySizes {
  memoryBytes: number;
  /** Infinity: as much as there is. */
  cacheBytesMax: number;
  readaheadBytesMax: number;
}

/** @throws VddkNbdError USAGE */
export function memorySizes(flags: {
  cache?: string | undefined;
  memory?: string | undefined;
  readahead?: string | undefined;
}): MemorySizes {
  const memoryBytes =
    flags.memory === undefined ? MEMORY_BYTES_DEFAULT : parseSizeBytes(flags.memory);
  const cacheBytesMax = sizeOrSwitch(flags.cache, Infinity);
  if (cacheBytesMax < Infinity && cacheBytesMax > memoryBytes / 4) {
    throw new VddkNbdError('USAGE', `--cache of ${formatBytes(cacheBytesMax)} is too large`, {
      hint: `It may be a quarter of --memory: give --memory ${formatBytes(4 * cacheBytesMax)}.`,
    });
  }
  const readaheadBytesMax = sizeOrSwitch(flags.readahead, READAHEAD_BYTES_DEFAULT);
  const isTooSmall = readaheadBytesMax > 0 && readaheadBytesMax < READAHEAD_BYTES_MIN;
  if (isTooSmall || readaheadBytesMax > SPECULATIVE_BYTES_MAX) {
    const text = `--readahead of ${formatBytes(readaheadBytesMax)} is out of range`;
    const range = `${formatBytes(READAHEAD_BYTES_MIN)} to ${formatBytes(SPECULATIVE_BYTES_MAX)}`;
    throw new VddkNbdError('USAGE', text, { hint: `Give it ${range}, on, or off.` });
  }
  return { memoryBytes, cacheBytesMax, readaheadBytesMax };
}

function sizeOrSwitch(text: string | undefined, onBytes: number): number {
  if (text === undefined || text === 'on') return onBytes;
  return text === 'off' ? 0 : parseSizeBytes(text);
}
