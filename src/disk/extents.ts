// What of a disk is data and what holes, for block status and for reads that take holes. Asks the
// library in steps of 32 GiB, one for all clients, with at least as much time for I/O in between,
// because a query takes about a second whatever its size and blocks the disk meanwhile.
// A read-only disk's answers are kept, and the rest of it is scanned in the background of reads; a
// writable disk is asked each time, under what was written since it was opened. All of it outlives
// helpers. The rule: what is not known is data, and a query that fails is never an error.
import type { Clock, Timer } from '../base/clock.js';
import {
  CHUNK_BYTES,
  CHUNKS_PER_STEP,
  EXTENTS_PAUSE_MS_MAX,
  SECTOR_BYTES,
} from '../base/limits.js';
import { ChunkBits } from './chunk-bits.js';
import { type DiskRequest, EXTENT_ZERO } from './disk.js';
import { type KnownChunks, listExtents } from './extents-list.js';

/** A range in sectors, whole chunks of it: the library's question. */
export interface BlocksQuestion {
  startSector: number;
  nrSectors: number;
  chunkSectors: number;
}

export interface DiskExtentsOptions {
  sizeBytes: number;
  /** Nothing of the disk changes: what is known stays true. */
  readOnly: boolean;
  /** What is true of ranges that the library has not allocated: EXTENT_* bits. 0: ask nothing. */
  holeState: number;
  /** Runs of allocated sectors: offset, length, offset, ... undefined: not known. Never rejects. */
  allocatedBlocks: (question: BlocksQuestion) => Promise<number[] | undefined>;
  /** Whether requests are under way that a query would hold up. */
  isBusy: () => boolean;
  /** What a client asked for is in its extents. */
  answered: (request: DiskRequest) => void;
  clock: Clock;
}

/** A range of chunks to ask about; `forClient` if somebody waits for it. */
interface Task {
  startChunk: number;
  endChunk: number;
  forClient: boolean;
}

export class DiskExtents {
  readonly #options: DiskExtentsOptions;
  readonly #wholeChunks: number;
  readonly #written: ChunkBits | undefined;
  /** Of a read-only disk, with the steps that are in it. */
  readonly #allocated = new ChunkBits();
  readonly #knownSteps = new Set<number>();
  readonly #waiting: DiskRequest[] = [];
  #isOff: boolean;
  #asked = false;
  #asking = false;
  #timer: Timer | undefined;
  /** Before this moment the disk's I/O has its turn. */
  #nextAtMs = 0;
  /** The next step of the scan in the background. */
  #scanStep = 0;

  constructor(options: DiskExtentsOptions) {
    this.#options = options;
    this.#wholeChunks = Math.floor(options.sizeBytes / CHUNK_BYTES);
    this.#isOff = options.holeState === 0 || this.#wholeChunks === 0;
    if (!options.readOnly) this.#written = new ChunkBits();
  }

  /** A range is about to be written or zeroed: it is data from now on. */
  written(startSector: number, endSector: number): void {
    if (this.#isOff) return;
    const startChunk = Math.floor((startSector * SECTOR_BYTES) / CHUNK_BYTES);
    this.#written?.mark(startChunk, Math.ceil((endSector * SECTOR_BYTES) / CHUNK_BYTES));
  }

  /** Has `answered` called for `request` when its extents are in it, which may be at once. */
  ask(request: DiskRequest): void {
    if (this.#isOff || request.offsetBytes >= this.#wholeChunks * CHUNK_BYTES) {
      this.#answerAsData(request);
    } else if (this.#options.readOnly && this.#isKnownAt(request.offsetBytes)) {
      this.#answer(request, this.#known(), this.#knownEndChunk(request.offsetBytes));
    } else {
      this.#waiting.push(request);
      this.#goOn();
    }
  }

  /**
   * For a read that takes holes: lists its extents, or none if there is no need to, or something
   * is not known, or there are too many. True: all of it is zeroes, so nothing needs to be read.
   */
  describe(request: DiskRequest): boolean {
    const { extents, lengthBytes, offsetBytes } = request;
    if (!this.#options.readOnly || (this.#options.holeState & EXTENT_ZERO) === 0) return false;
    if (!this.#isKnownAt(offsetBytes) || this.#isData(offsetBytes, lengthBytes)) return false;
    listExtents(request, this.#known(), this.#knownEndChunk(offsetBytes));
    let listedBytes = 0;
    for (let i = 0; i < extents.length; i += 2) listedBytes += extents[i] ?? 0;
    const isOne = extents.length === 2;
    if (listedBytes < lengthBytes || (isOne && extents[1] === 0)) extents.length = 0;
    return isOne && extents.length > 0;
  }

  /** Where the known hole ends that `sector` is in, `endSector` at most; `sector` if in none. */
  holeEndSector(sector: number, endSector: number): number {
    const offsetBytes = sector * SECTOR_BYTES;
    const chunk = Math.floor(offsetBytes / CHUNK_BYTES);
    if (!this.#isKnownAt(offsetBytes) || chunk >= this.#wholeChunks) return sector;
    if (this.#allocated.has(chunk)) return sector;
    const end = this.#allocated.runEnd(chunk, this.#knownEndChunk(offsetBytes));
    return Math.min((end * CHUNK_BYTES) / SECTOR_BYTES, endSector);
  }

  /** Asks nothing more; who waits is answered that all is data. */
  stop(): void {
    this.#switchOff();
  }

  #known(allocated = this.#allocated): KnownChunks {
    return {
      allocated,
      written: this.#written,
      wholeChunks: this.#wholeChunks,
      holeState: this.#options.holeState,
    };
  }

  #isKnownAt(offsetBytes: number): boolean {
    return this.#knownSteps.has(Math.floor(offsetBytes / CHUNK_BYTES / CHUNKS_PER_STEP));
  }

  /** What most reads are. */
  #isData(offsetBytes: number, lengthBytes: number): boolean {
    const chunk = Math.floor(offsetBytes / CHUNK_BYTES);
    const endChunk = Math.ceil((offsetBytes + lengthBytes) / CHUNK_BYTES);
    return this.#allocated.has(chunk) && this.#allocated.runEnd(chunk, endChunk) === endChunk;
  }

  #knownEndChunk(offsetBytes: number): number {
    let step = Math.floor(offsetBytes / CHUNK_BYTES / CHUNKS_PER_STEP);
    while (this.#knownSteps.has(step)) step++;
    return Math.min(step * CHUNKS_PER_STEP, this.#wholeChunks);
  }

  #answer(request: DiskRequest, known: KnownChunks, knownEndChunk: number): void {
    listExtents(request, known, knownEndChunk);
    this.#options.answered(request);
  }

  #answerAsData(request: DiskRequest): void {
    request.extents.length = 0;
    request.extents.push(request.lengthBytes, 0);
    this.#options.answered(request);
  }

  #switchOff(): void {
    this.#isOff = true;
    this.#timer?.cancel();
    for (const request of this.#waiting.splice(0)) this.#answerAsData(request);
  }

  /** The next question, after those of clients the scan of a read-only disk. */
  #nextTask(): Task | undefined {
    const [first] = this.#waiting;
    if (first !== undefined) return this.#taskFor(first);
    if (!this.#options.readOnly || !this.#asked) return undefined;
    while (this.#knownSteps.has(this.#scanStep)) this.#scanStep++;
    return this.#stepTask(this.#scanStep, false);
  }

  #stepTask(step: number, forClient: boolean): Task | undefined {
    const startChunk = step * CHUNKS_PER_STEP;
    if (startChunk >= this.#wholeChunks) return undefined;
    const endChunk = Math.min(startChunk + CHUNKS_PER_STEP, this.#wholeChunks);
    return { startChunk, endChunk, forClient };
  }

  #taskFor({ offsetBytes, lengthBytes }: DiskRequest): Task | undefined {
    const startChunk = Math.floor(offsetBytes / CHUNK_BYTES);
    if (this.#options.readOnly) {
      return this.#stepTask(Math.floor(startChunk / CHUNKS_PER_STEP), true);
    }
    const endChunk = Math.min(
      Math.ceil((offsetBytes + lengthBytes) / CHUNK_BYTES),
      startChunk + CHUNKS_PER_STEP,
      this.#wholeChunks,
    );
    return { startChunk, endChunk, forClient: true };
  }

  /** Asks the next question, now or when its time has come. */
  #goOn(): void {
    this.#timer?.cancel();
    if (this.#asking || this.#isOff) return;
    const task = this.#nextTask();
    if (task === undefined) return;
    const { clock, isBusy } = this.#options;
    const waitMs = this.#nextAtMs - clock.nowMs();
    if (waitMs > 0 && (!task.forClient || isBusy())) {
      this.#timer = clock.after(waitMs, () => {
        this.#goOn();
      });
      return;
    }
    void this.#run(task);
  }

  async #run({ startChunk, endChunk }: Task): Promise<void> {
    const { allocatedBlocks, clock, readOnly } = this.#options;
    const chunkSectors = CHUNK_BYTES / SECTOR_BYTES;
    const startMs = clock.nowMs();
    this.#asking = true;
    const blocks = await allocatedBlocks({
      startSector: startChunk * chunkSectors,
      nrSectors: (endChunk - startChunk) * chunkSectors,
      chunkSectors,
    });
    this.#asking = false;
    this.#nextAtMs = clock.nowMs() + Math.min(clock.nowMs() - startMs, EXTENTS_PAUSE_MS_MAX);
    // A library that can't say it the first time can't at all.
    if (blocks === undefined && !this.#asked) this.#switchOff();
    this.#asked = true;
    if (this.#isOff) return;
    const allocated = readOnly ? this.#allocated : new ChunkBits();
    markBlocks(allocated, blocks, startChunk, endChunk);
    if (readOnly) this.#knownSteps.add(Math.floor(startChunk / CHUNKS_PER_STEP));
    this.#answerWaiting(this.#known(allocated), startChunk, endChunk);
    this.#goOn();
  }

  /** Answers all who wait for the beginning of what is known now. */
  #answerWaiting(known: KnownChunks, startChunk: number, endChunk: number): void {
    const waiting = this.#waiting.splice(0);
    for (const request of waiting) {
      const chunk = Math.floor(request.offsetBytes / CHUNK_BYTES);
      if (chunk >= startChunk && chunk < endChunk) this.#answer(request, known, endChunk);
      else this.#waiting.push(request);
    }
  }
}

/** Marks what a library says is allocated, rounded out to chunks; all if it doesn't say. */
function markBlocks(
  allocated: ChunkBits,
  blocks: readonly number[] | undefined,
  startChunk: number,
  endChunk: number,
): void {
  if (blocks === undefined) {
    allocated.mark(startChunk, endChunk);
    return;
  }
  const chunkSectors = CHUNK_BYTES / SECTOR_BYTES;
  for (let i = 0; i < blocks.length; i += 2) {
    const [startSector = 0, nrSectors = 0] = [blocks[i], blocks[i + 1]];
    const start = Math.floor(startSector / chunkSectors);
    const end = Math.ceil((startSector + nrSectors) / chunkSectors);
    allocated.mark(Math.max(start, startChunk), Math.min(end, endChunk));
  }
}
