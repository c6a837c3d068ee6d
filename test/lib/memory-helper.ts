// A helper in this process over a Buffer, which the test moves by hand: it answers in any order,
// or dies with any of its requests done, half done or not done. It reaches the arenas as a real
// helper does, through their descriptors.
import { readSync, writeSync } from 'node:fs';
import type { HelperIo, HelperListener } from '../../src/helper/helper.js';
import { IO_OPS } from '../../src/helper/protocol.js';
import { SimHelper, type SimOptions } from './sim-helper.js';

const SECTOR_BYTES = 512;

export interface ArenaFds {
  readFd: number;
  writeFd: number;
}

/** What outlives helpers: the bytes of the disk, and what was done to it. */
export class MemoryBacking {
  readonly bytes: Buffer;
  /** True: a helper keeps its writes to itself until it flushes. */
  isVolatile = false;
  flushes = 0;
  /** What the next flushes answer, if not 0. */
  readonly flushErrors: number[] = [];
  /** First sectors for which the library fails, and with what. */
  readonly failing = new Map<number, number>();

  constructor(sizeBytes: number) {
    this.bytes = Buffer.alloc(sizeBytes);
  }
}

export class MemoryHelper extends SimHelper {
  readonly #backing: MemoryBacking;
  readonly #arenas: ArenaFds;
  /** The disk as this helper sees it. */
  readonly #bytes: Buffer;

  constructor(
    listener: HelperListener,
    backing: MemoryBacking,
    arenas: ArenaFds,
    options: SimOptions = {},
  ) {
    super(listener, {
      ...options,
      info: { capacitySectors: backing.bytes.length / SECTOR_BYTES, ...options.info },
    });
    this.#backing = backing;
    this.#arenas = arenas;
    this.#bytes = backing.isVolatile ? Buffer.from(backing.bytes) : backing.bytes;
  }

  /** Some of what a volatile helper has not flushed lands all the same, sector by sector. */
  leak(isLeaked: (sector: number) => boolean): void {
    for (let startBytes = 0; startBytes < this.#bytes.length; startBytes += SECTOR_BYTES) {
      if (!isLeaked(startBytes / SECTOR_BYTES)) continue;
      this.#bytes.copy(this.#backing.bytes, startBytes, startBytes, startBytes + SECTOR_BYTES);
    }
  }

  /** Does what `io` asks, without answering it. `sectors` limits a write that dies half-way. */
  perform(io: HelperIo, sectors = io.nrSectors): number {
    if (io.op === IO_OPS.FLUSH) {
      this.#backing.flushes++;
      const error = this.#backing.flushErrors.shift() ?? 0;
      // One that fails drops what it was to write, and the next one says that all is well.
      if (error === 0) this.leak(() => true);
      else this.#backing.bytes.copy(this.#bytes);
      return error;
    }
    const failure = this.#backing.failing.get(io.startSector);
    if (failure !== undefined) return failure;
    const startBytes = io.startSector * SECTOR_BYTES;
    const view = this.#bytes.subarray(startBytes, startBytes + sectors * SECTOR_BYTES);
    if (io.op === IO_OPS.READ) writeSync(this.#arenas.readFd, view, 0, view.length, io.arenaOffset);
    else readSync(this.#arenas.writeFd, view, 0, view.length, io.arenaOffset);
    return 0;
  }

  /** It goes wild: writes to all of `bytes` at the beginning of the read arena. */
  scribble(bytes: number): void {
    writeSync(this.#arenas.readFd, Buffer.alloc(bytes, 0xa5), 0, bytes, 0);
  }

  /** Performs and answers the request at `index`. */
  step(index = 0): void {
    const io = this.inFlight[index];
    if (!io) throw new Error('nothing is in flight');
    this.answer(this.perform(io), index);
  }

  /** Performs and answers everything, and what comes of it. */
  drain(): void {
    while (this.isAlive && this.inFlight.length > 0) this.step();
  }
}
