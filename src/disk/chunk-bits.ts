// One bit for each chunk of a disk: marked or not. In pages that are made when they are needed, so
// that a disk of 64 TiB costs 128 MiB at the worst and next to nothing at best. Pure.
// The rule: bits are only ever set.
import { CHUNKS_PER_STEP } from '../base/limits.js';

const BITS = 32;
/** A page of marks everywhere; all of those are this one. */
const FULL = new Uint32Array(CHUNKS_PER_STEP / BITS).fill(0xffffffff);

export class ChunkBits {
  /** By CHUNKS_PER_STEP chunks. None: no mark. */
  readonly #pages = new Map<number, Uint32Array>();

  /** Marks the chunks from `startChunk` up to, not including, `endChunk`. */
  mark(startChunk: number, endChunk: number): void {
    for (let at = startChunk; at < endChunk;) {
      const page = Math.floor(at / CHUNKS_PER_STEP);
      const base = page * CHUNKS_PER_STEP;
      const pageEnd = Math.min(endChunk, base + CHUNKS_PER_STEP);
      const bits = this.#pages.get(page);
      if (at === base && pageEnd === base + CHUNKS_PER_STEP) this.#pages.set(page, FULL);
      else if (bits !== FULL) setBits(bits ?? this.#newPage(page), at - base, pageEnd - base);
      at = pageEnd;
    }
  }

  has(chunk: number): boolean {
    const page = Math.floor(chunk / CHUNKS_PER_STEP);
    const within = chunk - page * CHUNKS_PER_STEP;
    const word = this.#pages.get(page)?.[within >>> 5] ?? 0;
    return ((word >>> (within & 31)) & 1) === 1;
  }

  /** Where the run ends that `chunk` is in, marked or not; `endChunk` at most. */
  runEnd(chunk: number, endChunk: number): number {
    const marked = this.has(chunk);
    for (let at = chunk; at < endChunk;) {
      const page = Math.floor(at / CHUNKS_PER_STEP);
      const base = page * CHUNKS_PER_STEP;
      const pageEnd = Math.min(endChunk, base + CHUNKS_PER_STEP);
      const bits = this.#pages.get(page);
      let end = pageEnd;
      if (bits === undefined || bits === FULL) {
        if ((bits === FULL) !== marked) return at;
      } else {
        end = base + runEndInPage(bits, at - base, pageEnd - base, marked);
      }
      if (end < pageEnd) return end;
      at = pageEnd;
    }
    return endChunk;
  }

  #newPage(page: number): Uint32Array {
    const bits = new Uint32Array(CHUNKS_PER_STEP / BITS);
    this.#pages.set(page, bits);
    return bits;
  }
}

/** A mask of the bits from `from` up to, not including, `to`, both at most 32. */
function mask(from: number, to: number): number {
  const upTo = to === BITS ? 0xffffffff : (1 << to) - 1;
  return (upTo & (0xffffffff << from)) >>> 0;
}

function setBits(bits: Uint32Array, start: number, end: number): void {
  for (let at = start; at < end;) {
    const word = at >>> 5;
    const to = Math.min(end - word * BITS, BITS);
    bits[word] = ((bits[word] ?? 0) | mask(at & 31, to)) >>> 0;
    at = word * BITS + to;
  }
}

function runEndInPage(bits: Uint32Array, start: number, end: number, marked: boolean): number {
  for (let at = start; at < end;) {
    const word = at >>> 5;
    const value = bits[word] ?? 0;
    // Ones where the run has ended, without those before `at`.
    const others = (marked ? ~value : value) & mask(at & 31, BITS);
    if (others !== 0) return Math.min(end, word * BITS + 31 - Math.clz32(others & -others));
    at = (word + 1) * BITS;
  }
  return end;
}
