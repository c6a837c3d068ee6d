// Reads files that users name, which may be without an end, like /dev/zero.
import { closeSync, openSync, readSync } from 'node:fs';

/**
 * What `fd` has from here to its end; at most `bytesMax` and one more byte, which tells the caller
 * that it is too long. Errors of read(2) are thrown.
 */
export function readUpTo(fd: number, bytesMax: number): Buffer {
  const buffer = Buffer.alloc(bytesMax + 1);
  let length = 0;
  while (length < buffer.length) {
    const count = readSync(fd, buffer, length, buffer.length - length, null);
    if (count === 0) break;
    length += count;
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
