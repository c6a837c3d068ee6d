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
  flushes = 0;
  /** First sectors for which the library fails, and with what. */
  readonly failing = new Map<number, number>();

  constructor(sizeBytes: number) {
    this.bytes = Buffer.alloc(sizeBytes);
  }
}

export class MemoryHelper extends SimHelper {
  readonly #backing: MemoryBacking;
  readonly #arenas: ArenaFds;

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
  }

  /** Does what `io` asks, without answering it. `sectors` limits a write that dies half-way. */
  perform(io: HelperIo, sectors = io.nrSectors): number {
    if (io.op === IO_OPS.FLUSH) {
      this.#backing.flushes++;
      return 0;
    }
    const failure = this.#backing.failing.get(io.startSector);
    if (failure !== undefined) return failure;
    const startBytes = io.startSector * SECTOR_BYTES;
    const view = this.#backing.bytes.subarray(startBytes, startBytes + sectors * SECTOR_BYTES);
    if (io.op === IO_OPS.READ) writeSync(this.#arenas.readFd, view, 0, view.length, io.arenaOffset);
    else readSync(this.#arenas.writeFd, view, 0, view.length, io.arenaOffset);
    return 0;
  }

  /** Performs and answers the request at `index`. */
  step(index = 0): void {
    const io = this.inFlight[index];
    if (!io) throw new Error('nothing is in flight');
    this.answer(this.perform(io), index);
  }

  /** Performs and answers everything, and what comes of it. */
  drain(): void {
    while (this.inFlight.length > 0) this.step();
  }
}
