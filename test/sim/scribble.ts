// A library that goes wild before its process dies may write to all of the read arena. By the time
// that the program learns of a death, nothing there is what it was, but for what a client already
// has: that is beyond help, and left alone.
import { writeSync } from 'node:fs';

/** Memory is lent from the lowest on: that much has all that a small disk could have there. */
const SCRIBBLE_BYTES = 512 * 1024;
const garbage = Buffer.alloc(SCRIBBLE_BYTES, 0xa5);

/** Overwrites the beginning of the read arena at `readFd`, around the views `lent` of it. */
export function scribble(readFd: number, lent: readonly Buffer[]): void {
  let atBytes = 0;
  const upTo = (endBytes: number): void => {
    const length = Math.min(endBytes, SCRIBBLE_BYTES) - atBytes;
    if (length > 0) writeSync(readFd, garbage, 0, length, atBytes);
  };
  const views = [...lent].sort((a, b) => a.byteOffset - b.byteOffset);
  for (const { byteOffset, length } of views) {
    upTo(byteOffset);
    atBytes = Math.max(atBytes, byteOffset + length);
  }
  upTo(SCRIBBLE_BYTES);
}
