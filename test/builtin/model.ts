// Random disks as tests know them: what each sector is, not how a format keeps it. The writers
// (writer.ts) turn a model into files; what a reader makes of those is compared with the model.
/** A generator whose sequence depends on the seed alone (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 up to, not including, `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % end;
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** Bytes that are never all zero and sometimes compress. */
  bytes(lengthBytes: number): Buffer {
    const buffer = Buffer.alloc(lengthBytes, 1 + this.below(255));
    const noise = this.below(3) * 64;
    for (let at = 0; at + 4 <= Math.min(noise, lengthBytes); at += 4) {
      buffer.writeUInt32LE(this.below(0xffffffff), at);
    }
    return buffer;
  }

  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i -= 1) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }
}

export const SECTOR = 512;

/** What a grain is: not in this link, zeroes, or bytes (a whole grain, even at the disk's end). */
export type Grain = 'absent' | 'zero' | Buffer;

/** One extent of a link: grains in order; those behind the last are absent. */
export interface ExtentModel {
  format: 'hosted' | 'stream' | 'cowd' | 'sesparse' | 'flat' | 'zero';
  access: 'RW' | 'RDONLY';
  sectors: number;
  grainSectors: number;
  grains: Map<number, Grain>;
}

export interface LinkModel {
  createType: string;
  extents: ExtentModel[];
}

/** What a disk reads as, and which sectors hold data. */
export interface Expected {
  bytes: Buffer;
  data: Uint8Array;
}

const GRAINS = {
  hosted: [8, 16, 128],
  stream: [16, 128],
  cowd: [1, 8, 128],
  sesparse: [8],
  flat: [8],
  zero: [8],
} as const;

/** An extent of up to `sectorsMax` with a random pattern of grains. */
export function randomExtent(
  random: Random,
  format: ExtentModel['format'],
  sectors: number,
  zeroes: boolean,
): ExtentModel {
  const grainSectors = random.pick<number>(GRAINS[format]);
  const count = Math.ceil(sectors / grainSectors);
  const grains = new Map<number, Grain>();
  const full = format === 'flat';
  const wanted = full ? count : random.below(Math.min(count, 40) + 1);
  for (let i = 0; i < wanted; i += 1) {
    const run = full ? 1 : 1 + random.below(4);
    const first = full ? i : random.below(count);
    for (let g = first; g < Math.min(count, first + run); g += 1) {
      const zero = zeroes && !full && random.oneIn(4);
      grains.set(g, zero ? 'zero' : random.bytes(grainSectors * SECTOR));
    }
  }
  return { format, access: 'RW', sectors, grainSectors, grains };
}

/** Lays a link over what is below it. Absent parts keep that; a shorter parent ends in zeroes. */
export function overlay(link: LinkModel, below?: Expected): Expected {
  const sectors = link.extents.reduce((sum, extent) => sum + extent.sectors, 0);
  const bytes = Buffer.alloc(sectors * SECTOR);
  const data = new Uint8Array(sectors);
  below?.bytes.copy(bytes);
  if (below) data.set(below.data.subarray(0, sectors));
  let start = 0;
  for (const extent of link.extents) {
    if (extent.format === 'zero') {
      bytes.fill(0, start * SECTOR, (start + extent.sectors) * SECTOR);
      data.fill(0, start, start + extent.sectors);
    }
    for (const [index, grain] of extent.grains) {
      if (grain === 'absent') continue;
      const from = index * extent.grainSectors;
      const to = Math.min(extent.sectors, from + extent.grainSectors);
      const zero = grain === 'zero';
      const content = zero ? Buffer.alloc((to - from) * SECTOR) : grain;
      content.copy(bytes, (start + from) * SECTOR, 0, (to - from) * SECTOR);
      data.fill(zero ? 0 : 1, start + from, start + to);
    }
    start += extent.sectors;
  }
  return { bytes, data };
}
