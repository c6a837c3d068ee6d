// A library that goes wild before its process dies may write to all of the read arena. By the time
// that the program learns of a death, nothing there is what it was, but for what a client already
// has: that is beyond help, and left alone.
import { writeSync } from 'node:fs';
import type { Setting } from './setting.js';

/** Memory is lent from the lowest on: so much has all that a disk so small could have there. */
const SMALL_DISK_BYTES = 256 * 1024;
const SMALL_WILD_BYTES = 512 * 1024;

let garbage = Buffer.alloc(0);

/** Overwrites the read arena of a run, around what of it is lent to clients. */
export function scribble({ arenaBytes, lent, plan, readFd }: Setting): void {
  const lengthBytes = plan.sizeBytes <= SMALL_DISK_BYTES ? SMALL_WILD_BYTES : arenaBytes;
  if (garbage.length < lengthBytes) garbage = Buffer.alloc(lengthBytes, 0xa5);
  let atBytes = 0;
  const upTo = (endBytes: number): void => {
    const length = Math.min(endBytes, lengthBytes) - atBytes;
    if (length > 0) writeSync(readFd, garbage, 0, length, atBytes);
  };
  const views = lent().sort((a, b) => a.byteOffset - b.byteOffset);
  for (const { byteOffset, length } of views) {
    upTo(byteOffset);
    atBytes = Math.max(atBytes, byteOffset + length);
  }
  upTo(lengthBytes);
}
