// Reads that nobody has asked for, or not in this form: they fill ranges of the read cache. The
// library gets them like any read, under the range lock, but nothing depends on them.
// The rules: one that fails, or is in a helper that dies, is given up and its range is left alone
// for a time; who waited for it reads for himself. So no client ever sees an error of one, and a
// sector that kills the library is read ahead once at most.
import type { Clock } from '../base/clock.js';
import { SECTOR_BYTES, SPECULATIVE_BYTES_MAX } from '../base/limits.js';
import { IO_OPS } from '../helper/protocol.js';
import { Quarantine } from '../supervisor/quarantine.js';
import { LockedRange, type RangeLock } from '../supervisor/range-lock.js';
import { SupervisedIo } from '../supervisor/supervised-io.js';
import { CachedRange, type Origin, type ReadCache } from './read-cache.js';

export interface FillsHost {
  readonly cache: ReadCache;
  readonly locks: RangeLock;
  readonly clock: Clock;
  /** Whether the library would take a read of `nrSectors` now, beside all that clients want. */
  hasRoomFor(nrSectors: number): boolean;
  run(io: SupervisedIo): void;
  /** One has begun, and one has ended, with all that comes of it. */
  began(): void;
  ended(): void;
}

/** It never waits, so it is never told. */
class FillLock extends LockedRange {
  locked(): void {
    return;
  }
}

class Fill extends SupervisedIo {
  op = IO_OPS.READ;
  override readonly isSpeculative = true;
  readonly lock = new FillLock();
  range: CachedRange | undefined;
  startedMs = 0;
  readonly #settled: (fill: Fill, isThere: boolean) => void;

  constructor(settled: (fill: Fill, isThere: boolean) => void) {
    super();
    this.#settled = settled;
  }

  settled(vixError: number | bigint): void {
    this.#settled(this, vixError === 0);
  }
}

export class Fills {
  readonly #host: FillsHost;
  readonly #idle: Fill[] = [];
  /** Ranges that a fill failed for. */
  readonly #avoided: Quarantine;
  #bytesInFlight = 0;
  #isStopped = false;

  constructor(host: FillsHost) {
    this.#host = host;
    this.#avoided = new Quarantine(host.clock);
  }

  /**
   * Begins to read a range of at most PIECE_BYTES_MAX into the cache; it is 'filling' then.
   * Undefined: it may not be read just now, for want of memory, say, or because it failed before.
   */
  start(startSector: number, endSector: number, origin: Origin): CachedRange | undefined {
    const { cache, clock, locks } = this.#host;
    const nrSectors = endSector - startSector;
    if (!this.#mayStart(startSector, nrSectors)) return undefined;
    const fill = this.#idle.pop() ?? new Fill(this.#settled);
    const { lock } = fill;
    lock.startSector = startSector;
    lock.endSector = endSector;
    const isHeld = locks.tryAcquire(lock);
    const slot = isHeld ? cache.take(nrSectors * SECTOR_BYTES) : undefined;
    if (slot === undefined) {
      if (isHeld) locks.release(lock);
      this.#idle.push(fill);
      return undefined;
    }
    const range = new CachedRange(startSector, endSector, slot, origin, 'filling');
    cache.add(range);
    fill.range = range;
    fill.startSector = startSector;
    fill.nrSectors = nrSectors;
    fill.arenaOffset = slot.offsetBytes;
    fill.startedMs = clock.nowMs();
    fill.renew();
    this.#bytesInFlight += nrSectors * SECTOR_BYTES;
    this.#host.began();
    this.#host.run(fill);
    return range;
  }

  /** Whether a fill of this range has failed lately: it is not to be tried. */
  isAvoided(startSector: number, nrSectors: number): boolean {
    if (this.#avoided.isEmpty) return false;
    return this.#avoided.judge({ op: IO_OPS.READ, startSector, nrSectors }) !== 'unknown';
  }

  /** A range is being overwritten, which may have cured it. */
  overwritten(startSector: number, nrSectors: number): void {
    if (this.#avoided.isEmpty) return;
    this.#avoided.succeeded({ op: IO_OPS.WRITE, startSector, nrSectors });
  }

  /** No more of them. */
  stop(): void {
    this.#isStopped = true;
  }

  #mayStart(startSector: number, nrSectors: number): boolean {
    return (
      !this.#isStopped &&
      this.#bytesInFlight + nrSectors * SECTOR_BYTES <= SPECULATIVE_BYTES_MAX &&
      this.#host.hasRoomFor(nrSectors) &&
      !this.isAvoided(startSector, nrSectors)
    );
  }

  readonly #settled = (fill: Fill, isThere: boolean): void => {
    const { cache, clock, locks } = this.#host;
    const { nrSectors, range, startSector } = fill;
    if (range === undefined) return;
    this.#bytesInFlight -= nrSectors * SECTOR_BYTES;
    if (!isThere) this.#avoided.add({ op: IO_OPS.READ, startSector, nrSectors });
    range.filledMs = clock.nowMs();
    range.tookMs = range.filledMs - fill.startedMs;
    fill.range = undefined;
    // Who waited is served before a writer that waited for the range can overwrite it.
    cache.filled(range, isThere);
    locks.release(fill.lock);
    this.#idle.push(fill);
    this.#host.ended();
  };
}
