// What has been read for one request, out of reach of helpers. All of the read arena can be written
// by a library that goes wild before it dies, so a job that has outlived a helper keeps here what
// later ones read for it, and takes it back when it is complete. Only job.ts makes one.
// The rule: it is as long as its request, and goes with it; requests without a death have none.
import { PIECE_BYTES_MAX } from '../base/limits.js';
import type { Slot } from '../arena/slots.js';

export class PutAside {
  readonly #bytes: Buffer;

  /** For a request of so many bytes, in whole sectors. */
  constructor(lengthBytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(lengthBytes);
  }

  /** Copies `bytes` of the request, which begin `startBytes` behind its first sector. */
  put(bytes: Buffer, startBytes: number): void {
    bytes.copy(this.#bytes, startBytes);
  }

  /** Copies everything to where the request has its memory. All of it was put here before. */
  restore(slots: readonly Slot[]): void {
    let atBytes = 0;
    for (const slot of slots) {
      const piece = this.#bytes.subarray(atBytes, atBytes + PIECE_BYTES_MAX);
      piece.copy(slot.view(0, piece.length));
      atBytes += piece.length;
    }
  }
}
