// How much a library may be given at once before it runs out of memory (VMware's NFC fails with
// VixError 2 then) or of time. Pure; one per disk, kept over helpers. window.ts acts on it.
// The rule: limits fall by half at a failure and rise slowly, so that failures stay rare.
import {
  HELPER_REQUESTS_MAX,
  MEMORY_GROW_COMPLETIONS,
  MEMORY_REQUEST_SECTORS_MIN,
  NFC_IN_FLIGHT_BYTES_MAX,
  PIECE_BYTES_MAX,
  SECTOR_BYTES,
} from '../base/limits.js';

const REQUEST_SECTORS_MAX = PIECE_BYTES_MAX / SECTOR_BYTES;

export class RequestLimits {
  /** Requests in the helper at once. */
  depthMax = HELPER_REQUESTS_MAX;
  /** Sectors of one request. */
  requestSectorsMax = REQUEST_SECTORS_MAX;
  /** Sectors in the helper at once: it falls and rises with nothing, for a host does not say. */
  sectorsInFlightMax = Infinity;
  /** Answers to come to what was sent before the last fall: they say nothing about the limits. */
  #graceAnswers = 0;
  #successes = 0;

  /** Whether a library has run out of memory and the limits have not risen all the way since. */
  get areLowered(): boolean {
    return this.depthMax < HELPER_REQUESTS_MAX || this.requestSectorsMax < REQUEST_SECTORS_MAX;
  }

  /**
   * A request of `nrSectors`, one of `inFlight`, failed for want of memory. True: the limits have
   * fallen for it; false: they could not, or it had been sent before they fell.
   */
  failed(nrSectors: number, inFlight: number): boolean {
    this.#successes = 0;
    if (this.#graceAnswers > 0) {
      this.#graceAnswers--;
      return false;
    }
    const depth = Math.min(this.depthMax, inFlight);
    // One of many says little about sizes.
    const sectors = inFlight > 1 ? this.requestSectorsMax : nrSectors;
    if (this.isExhaustedBy(nrSectors, inFlight)) return false;
    this.depthMax = Math.max(1, Math.floor(depth / 2));
    this.requestSectorsMax = Math.max(MEMORY_REQUEST_SECTORS_MIN, Math.floor(sectors / 2));
    this.#graceAnswers = inFlight - 1;
    return true;
  }

  /**
   * A request took too long in a library that had completed others: if it is slow rather than
   * stuck, less at once keeps each within its deadline.
   */
  hung(inFlight: number): void {
    this.#successes = 0;
    this.depthMax = Math.max(1, Math.floor(Math.min(this.depthMax, inFlight) / 2));
  }

  /** Whether nothing smaller can be asked: one request of the smallest size. */
  isExhaustedBy(nrSectors: number, inFlight: number): boolean {
    return inFlight <= 1 && nrSectors <= MEMORY_REQUEST_SECTORS_MIN;
  }

  /** A request succeeded while the limits were lowered. */
  succeeded(): void {
    if (this.#graceAnswers > 0) this.#graceAnswers--;
    if (++this.#successes < MEMORY_GROW_COMPLETIONS) return;
    this.#successes = 0;
    if (this.requestSectorsMax < REQUEST_SECTORS_MAX) {
      this.requestSectorsMax = Math.min(REQUEST_SECTORS_MAX, this.requestSectorsMax * 2);
    } else {
      const grown = this.depthMax + Math.ceil(this.depthMax / 4);
      this.depthMax = Math.min(HELPER_REQUESTS_MAX, grown);
    }
  }

  /** The disk is open over this transport (GetTransportMode's word). */
  opened(transportMode: string): void {
    const isNfc = transportMode.startsWith('nbd');
    this.sectorsInFlightMax = isNfc ? NFC_IN_FLIGHT_BYTES_MAX / SECTOR_BYTES : Infinity;
  }

  /** A new helper: nothing that was sent before will be answered. */
  renewed(): void {
    this.#graceAnswers = 0;
  }
}
