// One writev in the making: headers and short payloads are copied into a staging buffer, long
// payloads are sent from the disk's memory. Used by the sender of one connection, again and again.
// The rule: staged bytes go out in the order in which they were staged, pieces in between.
import { SIMPLE_REPLY_BYTES } from '../nbd/constants.js';
import type { RequestRecord } from './request-record.js';

/** Headers and short payloads of one batch: 32 replies of 4 KiB. */
export const STAGING_BYTES = 32 * (SIMPLE_REPLY_BYTES + 4096);

/** Staging buffers that no connection is using just now: kept warm, but only so many. */
const idleStaging: Buffer[] = [];
const IDLE_STAGING_MAX = 16;

export class Batch {
  /** What goes into the writev, in order; complete after cut(). */
  readonly chunks: Buffer[] = [];
  /** Records whose memory it is sent from. */
  readonly held: RequestRecord[] = [];
  #staging: Buffer | undefined;
  #stagedBytes = 0;
  #cutBytes = 0;

  /** Where the next staged byte goes. */
  get at(): number {
    return this.#stagedBytes;
  }

  /** The staging buffer, if there is room for `bytesMax` more, up to which one may write. */
  room(bytesMax: number): Buffer | undefined {
    this.#staging ??= idleStaging.pop() ?? Buffer.allocUnsafeSlow(STAGING_BYTES);
    return this.#stagedBytes + bytesMax <= STAGING_BYTES ? this.#staging : undefined;
  }

  /** Bytes have been written into the staging buffer, from `at` up to `end`. */
  staged(end: number): void {
    this.#stagedBytes = end;
  }

  /** Sends `pieces` after what is staged, from where they are. */
  sendPieces(pieces: readonly Buffer[]): void {
    this.cut();
    this.chunks.push(...pieces);
  }

  /** The same for a part of them: `lengthBytes` from `startBytes` on. */
  sendPart(pieces: readonly Buffer[], startBytes: number, lengthBytes: number): void {
    this.cut();
    eachPart(pieces, startBytes, lengthBytes, (part) => {
      this.chunks.push(part);
    });
  }

  /** Copies a part of `pieces` into the staging buffer, where there is room for it. */
  copyPart(pieces: readonly Buffer[], startBytes: number, lengthBytes: number): void {
    const staging = this.#staging;
    if (staging === undefined) return;
    eachPart(pieces, startBytes, lengthBytes, (part) => {
      this.#stagedBytes += part.copy(staging, this.#stagedBytes);
    });
  }

  /** Ends the chunk of staged bytes that is being filled. */
  cut(): void {
    if (this.#staging === undefined || this.#cutBytes === this.#stagedBytes) return;
    this.chunks.push(this.#staging.subarray(this.#cutBytes, this.#stagedBytes));
    this.#cutBytes = this.#stagedBytes;
  }

  /** The batch has left: on with an empty one. */
  reset(): void {
    this.#stagedBytes = this.#cutBytes = 0;
  }

  /** As reset(), and nothing follows soon: the staging buffer is for others. */
  giveBack(): void {
    if (this.#staging !== undefined && idleStaging.length < IDLE_STAGING_MAX) {
      idleStaging.push(this.#staging);
    }
    this.#staging = undefined;
    this.reset();
  }
}

/** Calls `take` with views of what `pieces` hold from `startBytes` on, `lengthBytes` in all. */
function eachPart(
  pieces: readonly Buffer[],
  startBytes: number,
  lengthBytes: number,
  take: (part: Buffer) => void,
): void {
  let skipBytes = startBytes;
  let leftBytes = lengthBytes;
  for (const piece of pieces) {
    if (leftBytes === 0) return;
    if (skipBytes >= piece.length) {
      skipBytes -= piece.length;
      continue;
    }
    const part = piece.subarray(skipBytes, skipBytes + leftBytes);
    take(part);
    leftBytes -= part.length;
    skipBytes = 0;
  }
}
