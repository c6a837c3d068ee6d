// Memory that a MemoryDisk lends: a bounded number of bytes, cut in pieces, used again last-in
// first-out so that it stays warm. Pieces are powers of two of at least a page.
import { invariant } from '../base/errors.js';
import { SLOT_BYTES_MIN } from '../base/limits.js';

export class MemoryPool {
  readonly #bytesMax: number;
  readonly #pieceBytesMax: number;
  /** Free pieces by size; none is ever given up, but `#free` counts against nobody. */
  readonly #free = new Map<number, Buffer[]>();
  /** The whole piece behind each view that is lent out. */
  readonly #lent = new Map<Buffer, Buffer>();
  #lentBytes = 0;

  constructor(bytesMax: number, pieceBytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#pieceBytesMax = pieceBytesMax;
  }

  /** Bytes that are lent now, whole pieces. */
  get lentBytes(): number {
    return this.#lentBytes;
  }

  /** What lending `lengthBytes` takes from the pool. */
  costBytes(lengthBytes: number): number {
    const whole = Math.floor(lengthBytes / this.#pieceBytesMax) * this.#pieceBytesMax;
    return whole === lengthBytes ? whole : whole + this.#pieceBytes(lengthBytes - whole);
  }

  /** Whether `lengthBytes` can be lent now. */
  has(lengthBytes: number): boolean {
    return this.#lentBytes + this.costBytes(lengthBytes) <= this.#bytesMax;
  }

  /** Lends `lengthBytes` as pieces appended to `pieces`; returns what it took from the pool. */
  lend(lengthBytes: number, pieces: Buffer[]): number {
    invariant(this.has(lengthBytes), 'the pool lends only what it has');
    const before = this.#lentBytes;
    for (let left = lengthBytes; left > 0;) {
      const length = Math.min(left, this.#pieceBytesMax);
      const size = this.#pieceBytes(length);
      const whole = this.#free.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size);
      const piece = length === size ? whole : whole.subarray(0, length);
      this.#lent.set(piece, whole);
      this.#lentBytes += size;
      pieces.push(piece);
      left -= length;
    }
    return this.#lentBytes - before;
  }

  /** Takes pieces back and empties the array; returns how much came back to the pool. */
  takeBack(pieces: Buffer[]): number {
    const before = this.#lentBytes;
    for (const piece of pieces) {
      const whole = this.#lent.get(piece);
      invariant(whole !== undefined, 'what is taken back was lent');
      this.#lent.delete(piece);
      this.#lentBytes -= whole.length;
      const free = this.#free.get(whole.length) ?? [];
      this.#free.set(whole.length, free);
      free.push(whole);
    }
    pieces.length = 0;
    return before - this.#lentBytes;
  }

  #pieceBytes(lengthBytes: number): number {
    return Math.max(SLOT_BYTES_MIN, 2 ** Math.ceil(Math.log2(lengthBytes)));
  }
}
