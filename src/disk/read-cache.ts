// Bytes of the disk that stay in the read arena after they were read: for a client that reads them
// again, or because they were read ahead of one. What is not in use is in order of its last use,
// and is given up from the oldest on: for newer bytes, or when a request needs the memory.
// The rules: a range is never found again once a write has arrived for it, or its helper is gone;
// who had it before a write came may still be answered from it, but nobody after a death. Its
// memory is free when the library and the last reply are done with it.
import type { Slot } from '../arena/slots.js';
import { SECTOR_BYTES } from '../base/limits.js';
import { CacheIndex } from './cache-index.js';

/** Where the cache's memory comes from: Grants. */
export interface CacheMemory {
  takeRead(lengthBytes: number): Slot | undefined;
  freeRead(slot: Slot): void;
}

/** Who waits for a range that is being read. */
export interface Waiter {
  /** Ranges that it waits for. */
  waitsFor: number;
  /** The last of them is there, or will not be: look at their states. */
  arrived(): void;
}

/** Why a range is here: it was asked for, or read ahead, or read around something small. */
export type Origin = 'read' | 'ahead' | 'around';

/** Sectors of the disk in one slot. */
export class CachedRange {
  readonly startSector: number;
  readonly endSector: number;
  readonly slot: Slot;
  readonly origin: Origin;
  /** `dead`: its bytes are not there, or not to be trusted. */
  state: 'filling' | 'valid' | 'dead';
  /** False: it is only there for those who have it. */
  isFindable = false;
  /** Requests that are sent from it, and the library while it is being read. */
  pins = 1;
  readonly waiters: Waiter[] = [];
  /** It is of no use any more once so many sectors of it were read. Infinity: it stays. */
  unreadSectors = Infinity;
  /** Something was read from it. */
  isUsed = false;
  /** When it was there, and how long that took the library (Clock). */
  filledMs = 0;
  tookMs = 0;
  /** Neighbours in the order of use, while it has no pins. */
  older: CachedRange | undefined = undefined;
  newer: CachedRange | undefined = undefined;

  /** It begins with one pin, of whoever makes it. */
  constructor(
    startSector: number,
    endSector: number,
    slot: Slot,
    origin: Origin,
    state: 'filling' | 'valid',
  ) {
    this.startSector = startSector;
    this.endSector = endSector;
    this.slot = slot;
    this.origin = origin;
    this.state = state;
  }

  /** The part of it between two bytes of the disk, both within it. */
  view(startBytes: number, endBytes: number): Buffer {
    return this.slot.view(startBytes - this.startSector * SECTOR_BYTES, endBytes - startBytes);
  }
}

export class ReadCache {
  readonly bytesMax: number;
  readonly #memory: CacheMemory;
  readonly #index = new CacheIndex<CachedRange>();
  #newest: CachedRange | undefined;
  #oldest: CachedRange | undefined;
  #bytes = 0;
  /** Counts the times that everything was dropped. */
  generation = 0;

  /** At most `bytesMax` of `memory`. */
  constructor(memory: CacheMemory, bytesMax: number) {
    this.#memory = memory;
    this.bytesMax = bytesMax;
  }

  /** Slots that it has, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Nothing can be found. */
  get isEmpty(): boolean {
    return this.#index.count === 0;
  }

  /**
   * Appends the ranges that hold the sectors from `startSector` on, filling ones too, to `into`.
   * Returns the first sector that is in none of them, `endSector` at most.
   */
  find(startSector: number, endSector: number, into: CachedRange[]): number {
    let sector = startSector;
    while (sector < endSector) {
      const range = this.#index.at(sector);
      if (range === undefined) return sector;
      into.push(range);
      sector = range.endSector;
    }
    return endSector;
  }

  /** The end of what is here, without a gap, from `startSector` on. */
  coveredUpTo(startSector: number, endSector: number): number {
    let sector = startSector;
    for (let range = this.#index.at(sector); range && sector < endSector;) {
      sector = range.endSector;
      range = this.#index.at(sector);
    }
    return Math.min(sector, endSector);
  }

  /** Memory for a range, in the place of older ones if need be; undefined: there is none. */
  take(lengthBytes: number): Slot | undefined {
    if (!this.reserve(lengthBytes)) return undefined;
    return this.#memory.takeRead(lengthBytes);
  }

  /** Gives up older ranges until `lengthBytes` more are allowed. */
  reserve(lengthBytes: number): boolean {
    if (lengthBytes > this.bytesMax) return false;
    while (this.#bytes + lengthBytes > this.bytesMax) if (!this.evict()) return false;
    return true;
  }

  /** `range`, with its one pin, can be found from now on. */
  add(range: CachedRange): void {
    range.isFindable = true;
    this.#index.add(range);
    this.#bytes += range.slot.sizeBytes;
  }

  /** `range` is in use. */
  pin(range: CachedRange): void {
    if (range.pins++ === 0) this.#unlink(range);
  }

  /** One who used `range` is done with it. */
  unpin(range: CachedRange): void {
    if (--range.pins > 0) return;
    if (!range.isFindable) this.#free(range);
    else if (range.unreadSectors <= 0) this.#retire(range);
    else this.#link(range);
  }

  /** A read of `nrSectors` was answered from `range`. */
  used(range: CachedRange, nrSectors: number): void {
    range.isUsed = true;
    range.unreadSectors -= nrSectors;
  }

  /** The library has filled `range`, or has not; its pin is gone, and who waited for it is told. */
  filled(range: CachedRange, isThere: boolean): void {
    if (!isThere) this.#kill(range);
    else if (range.state === 'filling') range.state = 'valid';
    for (const waiter of range.waiters.splice(0)) {
      if (--waiter.waitsFor === 0) waiter.arrived();
    }
    this.unpin(range);
  }

  /** These sectors are about to be overwritten. */
  invalidate(startSector: number, endSector: number): void {
    if (this.isEmpty) return;
    for (const range of this.#index.overlapping(startSector, endSector)) this.#retire(range);
  }

  /** A helper is gone, which could write to all of this memory. */
  clear(): void {
    this.generation++;
    for (const range of this.#index.all()) this.#kill(range);
  }

  /** Gives up the range that was not used for longest; false if all are in use. */
  evict(): boolean {
    if (this.#oldest === undefined) return false;
    this.#retire(this.#oldest);
    return true;
  }

  #kill(range: CachedRange): void {
    range.state = 'dead';
    this.#retire(range);
  }

  /** `range` is never found again. Idempotent. */
  #retire(range: CachedRange): void {
    if (!range.isFindable) return;
    range.isFindable = false;
    this.#index.remove(range);
    if (range.pins > 0) return;
    if (this.#isLinked(range)) this.#unlink(range);
    this.#free(range);
  }

  #free(range: CachedRange): void {
    this.#bytes -= range.slot.sizeBytes;
    this.#memory.freeRead(range.slot);
  }

  #isLinked(range: CachedRange): boolean {
    return range.newer !== undefined || this.#newest === range;
  }

  #link(range: CachedRange): void {
    range.older = this.#newest;
    if (this.#newest) this.#newest.newer = range;
    else this.#oldest = range;
    this.#newest = range;
  }

  #unlink(range: CachedRange): void {
    if (range.older) range.older.newer = range.newer;
    else this.#oldest = range.newer;
    if (range.newer) range.newer.older = range.older;
    else this.#newest = range.older;
    range.older = undefined;
    range.newer = undefined;
  }
}
