// Disk images for end-to-end tests: raw files with data and holes, VMDKs that qemu-img made of
// them, and the comparison of two files.
import { closeSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { must, run } from './serve.js';

/** Every subformat that the built-in engine reads, and whether it writes it. */
export const SUBFORMATS = [
  { name: 'monolithicSparse', writable: true },
  { name: 'monolithicFlat', writable: true },
  { name: 'twoGbMaxExtentSparse', writable: true },
  { name: 'twoGbMaxExtentFlat', writable: true },
  { name: 'streamOptimized', writable: false },
] as const;

/** Bytes that do not compress and are the same for the same seed. */
function noise(seed: string, lengthBytes: number): Buffer {
  const chunks: Buffer[] = [];
  for (let have = 0, index = 0; have < lengthBytes; have += 64, index += 1) {
    chunks.push(createHash('sha512').update(`${seed} ${index}`).digest());
  }
  return Buffer.concat(chunks, lengthBytes);
}

/**
 * Makes a raw image of `sizeBytes` in which `extents` pieces of data of up to 300 KB lie at odd
 * places, the first bytes and the last included; the rest is a hole.
 */
export function makeRaw(file: string, sizeBytes: number, extents: number): void {
  const fd = openSync(file, 'w');
  ftruncateSync(fd, sizeBytes);
  for (let index = 0; index < extents; index += 1) {
    const random = noise(`place ${index}`, 8);
    const lengthBytes = Math.min(sizeBytes, 1 + (random.readUInt32LE(0) % 300_000));
    const places = [0, sizeBytes - lengthBytes];
    const somewhere = Math.floor((random.readUInt32LE(4) / 2 ** 32) * (sizeBytes - lengthBytes));
    writeSync(fd, noise(`data ${index}`, lengthBytes), 0, lengthBytes, places[index] ?? somewhere);
  }
  closeSync(fd);
}

/** Makes a VMDK with the contents of a raw image. */
export async function makeVmdk(raw: string, vmdk: string, subformat: string): Promise<void> {
  await must('qemu-img', ['convert', '-O', 'vmdk', '-o', `subformat=${subformat}`, raw, vmdk]);
}

/** Makes a VMDK that has never been written to. */
export async function makeEmpty(vmdk: string, sizeBytes: number, subformat: string): Promise<void> {
  const options = ['-q', '-f', 'vmdk', '-o', `subformat=${subformat}`];
  await must('qemu-img', ['create', ...options, vmdk, String(sizeBytes)]);
}

/** Whether two raw files have the same size and bytes. Holes are compared without reading them. */
export async function sameBytes(a: string, b: string): Promise<boolean> {
  if (statSync(a).size !== statSync(b).size) return false;
  return (await run('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', a, b])).exitCode === 0;
}

/** qemu's judgement: '' if the VMDK is sound and has the contents of `raw`, else what it said. */
export async function qemuVerdict(raw: string, vmdk: string): Promise<string> {
  const check = await run('qemu-img', ['check', '-f', 'vmdk', vmdk]);
  if (check.exitCode !== 0) return `check: ${check.stdout}${check.stderr}`;
  const compare = await run('qemu-img', ['compare', '-f', 'raw', '-F', 'vmdk', raw, vmdk]);
  return compare.exitCode === 0 ? '' : `compare: ${compare.stdout}${compare.stderr}`;
}
