// Reads files that users name, which may be without an end, like /dev/zero.
import { closeSync, openSync, readSync } from 'node:fs';

const NEWLINE = 0x0a;

/**
 * What `fd` has from here to its end, or, with `line`, to its first newline, however it is cut into
 * reads; at most `bytesMax` and one more byte, which tells the caller that it is too long.
 * Errors of read(2) are thrown.
 */
export function readUpTo(fd: number, bytesMax: number, line = false): Buffer {
  const buffer = Buffer.alloc(bytesMax + 1);
  let length = 0;
  while (length < buffer.length) {
    const count = readSync(fd, buffer, length, buffer.length - length, null);
    const newlineAt = line ? buffer.subarray(0, length + count).indexOf(NEWLINE, length) : -1;
    if (newlineAt !== -1) return buffer.subarray(0, newlineAt + 1);
    length += count;
    if (count === 0) break;
  }
  return buffer.subarray(0, length);
}

/** The same of a file by its name. */
export function readFileUpTo(file: string, bytesMax: number): Buffer {
  const fd = openSync(file, 'r');
  try {
    return readUpTo(fd, bytesMax);
  } finally {
    closeSync(fd);
  }
}
