// Reads that need not go to the library as they are: answered from the read cache, or by what is
// being read ahead, or by one longer read around them. helper-disk.ts asks here first.
// The rules: a read is answered from here only if all of it is here; whatever goes wrong, it goes
// the plain way, on its own. A client holds no more memory by it than by plain reads.
import type { Grants } from '../arena/grants.js';
import type { Clock } from '../base/clock.js';
import {
  AROUND_READ_BYTES_MAX,
  CACHE_WINDOW_BYTES,
  CACHED_READ_BYTES_MAX,
  DEEP_CLIENT_READS,
  PIECE_BYTES_MAX,
  SECTOR_BYTES,
  SPECULATIVE_BYTES_MAX,
} from '../base/limits.js';
import { empty } from '../base/lists.js';
import type { RangeLock } from '../supervisor/range-lock.js';
import type { SupervisedIo } from '../supervisor/supervised-io.js';
import { Credit } from './credit.js';
import { Fills } from './fills.js';
import type { Job } from './job.js';
import { CachedRange, ReadCache } from './read-cache.js';
import { Readahead, type Reader } from './readahead.js';
import type { Stream } from './streams.js';

const AROUND_SECTORS = CACHE_WINDOW_BYTES / SECTOR_BYTES;

/** Keeping a read is worth it if one in so many is read again. */
const KEEP_TERMS = { max: 4096, cost: 1, gain: 16, trial: 16 };
/** A read around another is worth it if it saves one other. */
const AROUND_TERMS = { max: 64, cost: 1, gain: 1, trial: 128 };

export interface CachedReadsOptions {
  sizeSectors: number;
  /** --readahead: bytes ahead of a stream; 0 is off. */
  readaheadBytesMax: number;
  /** --cache: bytes that are kept; 0 is off. */
  cacheBytesMax: number;
  grants: Grants;
  locks: RangeLock;
  clock: Clock;
  hasRoomFor: (nrSectors: number) => boolean;
  run: (io: SupervisedIo) => void;
  holeEndSector: (sector: number, endSector: number) => number;
  /** Something of ours is in the library, and no longer is. */
  began: () => void;
  ended: () => void;
  /** `job` has its result: a success. */
  answered: (job: Job) => void;
  /** `job`, which waited for what did not come, is to be read by the library after all. */
  missed: (job: Job) => void;
}

export class CachedReads {
  readonly cache: ReadCache;
  readonly #options: CachedReadsOptions;
  readonly #fills: Fills;
  readonly #readahead: Readahead;
  readonly #keeping = new Credit(KEEP_TERMS);
  readonly #around = new Credit(AROUND_TERMS);

  constructor(options: CachedReadsOptions) {
    const { cacheBytesMax, clock, grants, readaheadBytesMax } = options;
    this.#options = options;
    // Without a cache there is what was read ahead and not used yet, of two streams at once.
    const bytesMax = Math.max(cacheBytesMax, 2 * readaheadBytesMax);
    const cache = new ReadCache(grants, bytesMax);
    this.cache = cache;
    this.#fills = new Fills({ ...options, cache, clock });
    this.#readahead = new Readahead({
      cache,
      fills: this.#fills,
      sizeSectors: options.sizeSectors,
      bytesMax: readaheadBytesMax,
      keeps: this.#keeps,
      holeEndSector: options.holeEndSector,
    });
    grants.reclaim = () => cache.evict();
  }

  /**
   * A read or a cache request begins. `answered`: it is over. `waits`: it will be answered(), or
   * missed(). `missed`: it is to be read by the library; finished() is told of it then.
   */
  begin(job: Job, reader: Reader): 'answered' | 'waits' | 'missed' {
    if (job.request.op === 'cache') return this.#beginCache(job);
    const { readaheadBytesMax } = this.#options;
    const { endSector, startSector } = job;
    job.stream = readaheadBytesMax > 0 ? reader.streams.read(startSector, endSector) : undefined;
    const outcome = this.#lookUp(job, reader);
    if (job.stream !== undefined) {
      if (outcome !== 'answered') job.stream.waited(this.#readahead.windowSectorsMax);
      if (outcome === 'missed') job.stream.aheadSector = 0;
      this.#readahead.plan(job.stream, reader);
    }
    if (outcome === 'missed') this.#decideToKeep(job);
    return outcome;
  }

  /** Whether a cache request of so many bytes can stay in the cache. */
  canHold(lengthBytes: number): boolean {
    return this.#keeps && lengthBytes <= this.#options.cacheBytesMax / 2;
  }

  /** The library has read for `job`; its range is still held, and nobody waits to change it. */
  finished(job: Job): void {
    const { cache } = this;
    const { readSlots } = job.demand;
    if (!job.keeps || job.generation !== cache.generation) return;
    let bytes = 0;
    for (const slot of readSlots) bytes += slot.sizeBytes;
    if (!cache.reserve(bytes)) return;
    let sector = job.startSector;
    for (const slot of readSlots) {
      const end = Math.min(sector + PIECE_BYTES_MAX / SECTOR_BYTES, job.endSector);
      const range = new CachedRange(sector, end, slot, 'read', 'valid');
      cache.add(range);
      job.parts.push(range);
      sector = end;
    }
    job.isKept = true;
  }

  /** The reply to `job` has left. */
  released(job: Job): void {
    if (job.isKept) this.#options.grants.keepRead(job.demand);
    job.isKept = false;
    this.#letGo(job);
  }

  /** `job` will overwrite its range as soon as it holds it. */
  overwriting({ endSector, startSector }: Job): void {
    this.cache.invalidate(startSector, endSector);
    this.#fills.overwritten(startSector, endSector - startSector);
  }

  /** A helper is gone. */
  helperEnded(): void {
    this.cache.clear();
  }

  /** Nothing new is read ahead. */
  stop(): void {
    this.#fills.stop();
  }

  /** All that `job` has waited for has come, or will not. */
  arrived(job: Job): void {
    if (job.parts.every(({ state }) => state === 'valid')) {
      this.#serve(job);
      return;
    }
    this.#letGo(job);
    this.#options.grants.release(job.demand);
    job.keeps = false;
    this.#options.missed(job);
  }

  get #keeps(): boolean {
    return this.#options.cacheBytesMax > 0;
  }

  #decideToKeep(job: Job): void {
    const lengthBytes = (job.endSector - job.startSector) * SECTOR_BYTES;
    const isBulk = lengthBytes > CACHED_READ_BYTES_MAX || job.stream?.isLong === true;
    job.keeps = this.#keeps && !isBulk && this.#keeping.spend();
  }

  /** What is here already need not be read. */
  #beginCache(job: Job): 'answered' | 'missed' {
    const { endSector, parts, startSector } = job;
    const isCovered = this.cache.find(startSector, endSector, parts) === endSector;
    const isHere = isCovered && parts.every(({ state }) => state === 'valid');
    empty(parts);
    if (isHere) {
      this.#options.answered(job);
      return 'answered';
    }
    job.keeps = this.canHold((endSector - startSector) * SECTOR_BYTES);
    return 'missed';
  }

  #lookUp(job: Job, reader: Reader): 'answered' | 'waits' | 'missed' {
    const { parts, demand } = job;
    if (!this.#collect(job, reader) || !this.#options.grants.charge(demand)) {
      this.#letGo(job);
      return 'missed';
    }
    for (const part of parts) {
      if (part.state !== 'filling') continue;
      part.waiters.push(job);
      job.waitsFor++;
    }
    if (job.waitsFor > 0) return 'waits';
    this.#serve(job);
    return 'answered';
  }

  /** Pins what is here, or comes, of the range of `job`, as its parts. False: that is not all. */
  #collect(job: Job, reader: Reader): boolean {
    const { endSector, parts, startSector } = job;
    let covered = startSector;
    if (!this.cache.isEmpty) {
      covered = this.cache.find(startSector, endSector, parts);
      // At once: a fill may take the memory of what is not in use.
      for (const part of parts) this.cache.pin(part);
      if (covered === endSector) return true;
    }
    const range =
      covered > startSector ? this.#fillRest(job, covered) : this.#fillAround(job, reader);
    if (range === undefined) return false;
    this.cache.pin(range);
    parts.push(range);
    return true;
  }

  /** The end of a read whose beginning is here. */
  #fillRest({ endSector, stream }: Job, covered: number): CachedRange | undefined {
    if ((endSector - covered) * SECTOR_BYTES > PIECE_BYTES_MAX) return undefined;
    const range = this.#fills.start(covered, endSector, 'read');
    const isKept = this.#keeps && stream?.isLong !== true;
    if (range !== undefined && !isKept) range.unreadSectors = endSector - covered;
    return range;
  }

  /** A small read of a client that waits for it: what is beside it may be next. */
  #fillAround(job: Job, reader: Reader): CachedRange | undefined {
    const { endSector, startSector, stream } = job;
    if (!this.#keeps || stream !== undefined || reader.waitingReads >= DEEP_CLIENT_READS) return;
    if ((endSector - startSector) * SECTOR_BYTES > AROUND_READ_BYTES_MAX) return;
    const start = Math.floor(startSector / AROUND_SECTORS) * AROUND_SECTORS;
    const end = Math.min(start + AROUND_SECTORS, this.#options.sizeSectors);
    if (endSector > end || !this.#around.spend()) return;
    return this.#fills.start(start, end, 'around');
  }

  /** Answers `job` from its parts, which are all here. */
  #serve(job: Job): void {
    const { parts, request, stream } = job;
    const endBytes = request.offsetBytes + request.lengthBytes;
    let atBytes = request.offsetBytes;
    for (const part of parts) {
      this.#benefited(part, stream);
      // A part may begin before the end of the one before it.
      const toBytes = Math.min(part.endSector * SECTOR_BYTES, endBytes);
      this.cache.used(part, Math.ceil((toBytes - atBytes) / SECTOR_BYTES));
      request.pieces.push(part.view(atBytes, toBytes));
      atBytes = toBytes;
    }
    this.#options.answered(job);
  }

  /** What it tells about what is worth doing, that a read is answered from `part`. */
  #benefited(part: CachedRange, stream: Stream | undefined): void {
    if (part.origin === 'read') {
      this.#keeping.gained();
    } else if (part.origin === 'around') {
      if (part.isUsed) this.#around.gained();
    } else if (!part.isUsed && stream !== undefined) {
      stream.arrivedEarly(this.#options.clock.nowMs() - part.filledMs, part.tookMs);
    }
  }

  #letGo({ parts }: Job): void {
    for (const part of parts) this.cache.unpin(part);
    empty(parts);
  }
}

/** What may be read ahead and kept within `memoryBytes` of a disk, and no more than it asks for. */
export function speculationWithin(
  arenaBytes: number,
  { cacheBytesMax, readaheadBytesMax }: { cacheBytesMax: number; readaheadBytesMax: number },
): { cacheBytesMax: number; readaheadBytesMax: number } {
  return {
    cacheBytesMax: Math.min(cacheBytesMax, arenaBytes / 2),
    readaheadBytesMax: Math.min(readaheadBytesMax, SPECULATIVE_BYTES_MAX, arenaBytes / 4),
  };
}
