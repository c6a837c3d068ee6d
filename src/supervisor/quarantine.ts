// Quarantine: ranges that were convicted, so that the next request for them fails at once and
// nobody waits for the library to die of it again. Pure, on an injected clock; one per disk.
// The rule: only a request that holds all of a convicted range fails by it. A smaller one may miss
// the bad sector: it is tried, but alone.
import type { Clock } from '../base/clock.js';
import { QUARANTINE_MS, QUARANTINE_RANGES_MAX } from '../base/limits.js';
import { IO_OPS, type IoOpNumber } from '../helper/protocol.js';

/** What is asked of a range. For a flush the range is empty, and all flushes are one. */
export interface RangeRequest {
  op: IoOpNumber;
  startSector: number;
  nrSectors: number;
}

interface Conviction extends RangeRequest {
  untilMs: number;
}

export class Quarantine {
  readonly #clock: Clock;
  #convictions: Conviction[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Remembers a convicted request; the oldest is forgotten if there are too many. */
  add({ op, startSector, nrSectors }: RangeRequest): void {
    // A smaller range says more than a larger one around it.
    this.#convictions = this.#convictions.filter(
      (other) => !(other.op === op && holds(other, { startSector, nrSectors })),
    );
    const untilMs = this.#clock.nowMs() + QUARANTINE_MS;
    this.#convictions.push({ op, startSector, nrSectors, untilMs });
    if (this.#convictions.length > QUARANTINE_RANGES_MAX) this.#convictions.shift();
  }

  /** `bad`: it holds a convicted range. `suspect`: it touches one. Costs nothing while empty. */
  judge(request: RangeRequest): 'bad' | 'suspect' | 'unknown' {
    if (this.#convictions.length === 0) return 'unknown';
    const nowMs = this.#clock.nowMs();
    this.#convictions = this.#convictions.filter(({ untilMs }) => untilMs > nowMs);
    let verdict: 'suspect' | 'unknown' = 'unknown';
    for (const conviction of this.#convictions) {
      if (conviction.op !== request.op) continue;
      if (holds(request, conviction)) return 'bad';
      if (touches(request, conviction)) verdict = 'suspect';
    }
    return verdict;
  }

  /** Nothing is convicted: the hot path asks no more than this. */
  get isEmpty(): boolean {
    return this.#convictions.length === 0;
  }

  /** A request has succeeded: a write overwrites its range, a flush clears all flushes. */
  succeeded(request: RangeRequest): void {
    if (request.op === IO_OPS.READ) return;
    this.#convictions = this.#convictions.filter((other) => {
      if (request.op === IO_OPS.FLUSH || other.op === IO_OPS.FLUSH) return request.op !== other.op;
      // A convicted write stays bad where this one did not reach.
      if (other.op === IO_OPS.WRITE) return !holds(request, other);
      return !touches(other, request);
    });
  }
}

type Range = Pick<RangeRequest, 'startSector' | 'nrSectors'>;

function holds(outer: Range, inner: Range): boolean {
  return (
    outer.startSector <= inner.startSector &&
    inner.startSector + inner.nrSectors <= outer.startSector + outer.nrSectors
  );
}

function touches(a: Range, b: Range): boolean {
  return a.startSector < b.startSector + b.nrSectors && b.startSector < a.startSector + a.nrSectors;
}
