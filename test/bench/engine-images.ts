// The images that `make bench-engine` serves: one disk in three formats, made by qemu-img, so that
// both servers read what neither has laid out for itself.
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';

export const FORMATS = ['monolithicSparse', 'monolithicFlat', 'streamOptimized'] as const;
export type Format = (typeof FORMATS)[number];

const MIB = 1024 * 1024;
const BLOCK_BYTES = 4096;

/** Large enough that a run of first writes never finds all grains taken. */
const EMPTY_DISK = '64G';

/** Half of each block is random, half is text: deflate makes about half of it. */
export function writeSource(file: string, sizeMib: number): void {
  const fd = openSync(file, 'w');
  const chunk = Buffer.alloc(MIB, 'What a disk holds is neither noise nor nothing. ');
  for (let done = 0; done < sizeMib; done += 1) {
    for (let at = 0; at < MIB; at += BLOCK_BYTES) randomFillSync(chunk, at, BLOCK_BYTES / 2);
    writeSync(fd, chunk);
  }
  closeSync(fd);
}

/** An image of `format` with the bytes of `source`, in `directory`. */
export async function makeImage(
  directory: string,
  source: string,
  format: Format,
): Promise<string> {
  const vmdk = path.join(directory, `${format}.vmdk`);
  const options = ['-f', 'raw', '-O', 'vmdk', '-o', `subformat=${format}`];
  await execa('qemu-img', ['convert', ...options, source, vmdk]);
  return vmdk;
}

/** A disk without data, anew: what was there is removed. */
export async function makeEmpty(directory: string, format: Format): Promise<string> {
  const vmdk = path.join(directory, 'empty.vmdk');
  rmSync(vmdk, { force: true });
  rmSync(path.join(directory, 'empty-flat.vmdk'), { force: true });
  await execa('qemu-img', ['create', '-f', 'vmdk', '-o', `subformat=${format}`, vmdk, EMPTY_DISK]);
  return vmdk;
}
