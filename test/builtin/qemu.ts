// qemu's opinion of which parts of an image hold data, in the form of ours.
import { must } from '../lib/serve.js';
import type { Run } from './tool.js';

export const SECTOR_BYTES = 512;
export const CHUNK_SECTORS = 128;

interface QemuExtent {
  start: number;
  length: number;
  data: boolean;
  zero: boolean;
}

/** Runs of sectors, rounded out to whole chunks, cut to the last whole one, and merged. */
export function inChunks(runs: Iterable<Run>, capacity: number): Run[] {
  const end = capacity - (capacity % CHUNK_SECTORS);
  const merged: Run[] = [];
  for (const [start, sectors] of runs) {
    const first = Math.floor(start / CHUNK_SECTORS) * CHUNK_SECTORS;
    const last = Math.ceil((start + sectors) / CHUNK_SECTORS) * CHUNK_SECTORS;
    const previous = merged.at(-1);
    const length = Math.min(last, end) - first;
    if (length <= 0) continue;
    if (previous && previous[0] + previous[1] >= first) {
      previous[1] = Math.max(previous[1], first + length - previous[0]);
    } else {
      merged.push([first, length]);
    }
  }
  return merged;
}

/** qemu's map of an image, in whole chunks and merged, as QueryAllocatedBlocks gives it. */
export async function qemuMap(image: string, capacity: number): Promise<Run[]> {
  const text = await must('qemu-img', ['map', '--output=json', '-f', 'vmdk', image]);
  const runs = (JSON.parse(text) as QemuExtent[])
    .filter(({ data, zero }) => data && !zero)
    .map(({ start, length }): Run => [start / SECTOR_BYTES, length / SECTOR_BYTES]);
  return inChunks(runs, capacity);
}
