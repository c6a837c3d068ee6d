// Durations and sizes as people write them on a command line: 500ms, 2s, 10min; 128M, 1G.
// Pure. The rule: what isn't understood is refused with an example, never guessed.
import { VddkNbdError } from './errors.js';

const MS_PER_UNIT: Record<string, number> = {
  ms: 1,
  s: 1_000,
  sec: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
};

/** What a timer can wait: behind that it would fire at once. */
const DURATION_MS_MAX = 24 * 24 * 3_600_000;

const BYTES_PER_UNIT: Record<string, number> = {
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** Splits `12.5min` into its number and its lower-case unit; undefined if it has another form. */
function split(text: string): { value: number; unit: string } | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (!match) return undefined;
  return { value: Number(match[1]), unit: (match[2] ?? '').toLowerCase() };
}

/**
 * Milliseconds of a duration; a bare number is seconds.
 * @throws VddkNbdError USAGE if `text` is no duration.
 */
export function parseDurationMs(text: string): number {
  const parts = split(text);
  const factor = parts && MS_PER_UNIT[parts.unit === '' ? 's' : parts.unit];
  const ms = parts && factor ? Math.round(parts.value * factor) : NaN;
  if (ms > DURATION_MS_MAX) {
    throw new VddkNbdError('USAGE', `'${text}' is too long`, { hint: 'The longest is 24 days.' });
  }
  if (!Number.isSafeInteger(ms)) {
    throw new VddkNbdError('USAGE', `'${text}' is not a duration`, {
      hint: 'Write it like 500ms, 2s, 10min or 1h; a bare number is seconds.',
    });
  }
  return ms;
}

/**
 * Bytes of a size with an optional binary unit (`K`, `M`, `G`, `T`, also `MiB`); bare is bytes.
 * @throws VddkNbdError USAGE if `text` is no size or not a whole number of bytes.
 */
export function parseSizeBytes(text: string): number {
  const parts = split(text);
  const unit = parts?.unit.replace(/^([kmgt])i?b$/, '$1');
  const factor = unit === undefined ? undefined : BYTES_PER_UNIT[unit === '' ? 'b' : unit];
  const bytes = parts && factor ? parts.value * factor : NaN;
  if (!Number.isSafeInteger(bytes)) {
    throw new VddkNbdError('USAGE', `'${text}' is not a size`, {
      hint: 'Write it like 65536, 128M or 1G.',
    });
  }
  return bytes;
}

/** A size for people: the largest unit below it, one decimal where it isn't whole. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}
