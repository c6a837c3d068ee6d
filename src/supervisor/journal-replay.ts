// Writes the journal again into a fresh helper, before anything else runs there: in chunks, each
// ended by a flush that removes it. Inside a chunk, entries run together as long as they don't
// overlap. The supervisor makes one for each helper that comes after a death.
// The rule: an entry's order is its order of effect; one that overlaps an earlier one waits for it.
import { PIECE_BYTES_MAX, REPLAY_PIECES_IN_FLIGHT_MAX, SECTOR_BYTES } from '../base/limits.js';
import { IO_OPS, type IoOpNumber } from '../helper/protocol.js';
import type { FlushMark, Journal, JournalEntry } from './journal.js';
import { type AnswerJudge, SupervisedIo } from './supervised-io.js';

const PIECE_SECTORS = PIECE_BYTES_MAX / SECTOR_BYTES;

/** How a replay ended, if the helper lived: the error of a write or flush, or 0. */
type ReplayDone = (result: { op: 'write' | 'flush'; vixError: number | bigint }) => void;

/** What a replay was doing when its helper ended. */
export interface ReplayWork {
  op: 'write' | 'flush';
  /** The first entry of the present chunk; the only one, if chunks are of one. */
  entry: JournalEntry;
}

/** A request of the replay. It is judged by the replay, and never replayed itself. */
export class ReplayIo extends SupervisedIo {
  op: IoOpNumber = IO_OPS.FLUSH;

  settled(): void {
    return;
  }
}

export class JournalReplay implements AnswerJudge {
  readonly #journal: Journal;
  readonly #epoch: number;
  readonly #flushes: boolean;
  readonly #chunkEntries: () => number;
  readonly #send: (io: ReplayIo) => void;
  readonly #done: ReplayDone;
  readonly #control: () => number | undefined;
  readonly #scratchOffsetBytes: number;
  readonly #progressed: (io: SupervisedIo) => void;
  readonly #flushedChunk: () => void;
  /** The present chunk, and the first of it that was not begun. */
  #chunk: readonly JournalEntry[] = [];
  #next = 0;
  /** The entries of the present wave, which don't overlap; how far it is sent. */
  #wave: JournalEntry[] = [];
  #sentEntries = 0;
  #sentSectors = 0;
  #mark: FlushMark | undefined;
  #outstanding = 0;
  #vixError: number | bigint = 0;

  /** Replays entries that are not of `epoch`, `chunkEntries` before each flush. */
  constructor(options: {
    journal: Journal;
    epoch: number;
    /** Whether a flush ends each chunk. */
    flushes: boolean;
    /** Entries of the next chunk, 1 or more. */
    chunkEntries: () => number;
    send: (io: ReplayIo) => void;
    done: ReplayDone;
    /** Asked before a flush: a sector to read first, so that a write is not blamed on the flush. */
    control: () => number | undefined;
    /** Where that sector is put. */
    scratchOffsetBytes: number;
    /** Called for each request that succeeded. */
    progressed: (io: SupervisedIo) => void;
    /** Called when a chunk has been written and flushed. */
    flushedChunk: () => void;
  }) {
    this.#journal = options.journal;
    this.#epoch = options.epoch;
    this.#flushes = options.flushes;
    this.#chunkEntries = options.chunkEntries;
    this.#send = options.send;
    this.#done = options.done;
    this.#control = options.control;
    this.#scratchOffsetBytes = options.scratchOffsetBytes;
    this.#progressed = options.progressed;
    this.#flushedChunk = options.flushedChunk;
  }

  /** What is being done; undefined if there was nothing to do. */
  get work(): ReplayWork | undefined {
    const [entry] = this.#chunk;
    return entry && { op: this.#mark === undefined ? 'write' : 'flush', entry };
  }

  /** Begins the next chunk; calls `done` if there is none. */
  start(): void {
    const old = this.#journal.entries.filter(({ epoch }) => epoch !== this.#epoch);
    this.#chunk = old.slice(0, this.#chunkEntries());
    this.#next = 0;
    if (this.#chunk.length === 0) this.#done({ op: 'write', vixError: 0 });
    else this.#nextWave();
  }

  answered(io: SupervisedIo, vixError: number | bigint): void {
    this.#outstanding--;
    if (vixError === 0) this.#progressed(io);
    if (io.op === IO_OPS.FLUSH) {
      if (vixError === 0) this.#flushed();
      else this.#done({ op: 'flush', vixError });
      return;
    }
    if (io.op === IO_OPS.READ) {
      this.#flush();
      return;
    }
    if (this.#vixError === 0) this.#vixError = vixError;
    if (this.#vixError === 0) this.#sendPieces();
    if (this.#outstanding > 0) return;
    if (this.#vixError !== 0) {
      this.#done({ op: 'write', vixError: this.#vixError });
      return;
    }
    for (const entry of this.#wave) entry.epoch = this.#epoch;
    if (this.#next < this.#chunk.length) this.#nextWave();
    else if (this.#flushes) this.#flushAfterControl();
    else this.start();
  }

  /** The bytes of an unflushed part are gone with the helper, so it is not done for good. */
  partSucceeded(io: SupervisedIo): boolean {
    this.#progressed(io);
    return false;
  }

  #nextWave(): void {
    this.#wave = [];
    this.#sentEntries = 0;
    this.#sentSectors = 0;
    for (; this.#next < this.#chunk.length; this.#next++) {
      const entry = this.#chunk[this.#next];
      if (entry === undefined || this.#wave.length === REPLAY_PIECES_IN_FLIGHT_MAX) break;
      if (this.#wave.some((other) => overlap(entry, other))) break;
      this.#wave.push(entry);
    }
    this.#sendPieces();
  }

  /** Pieces of at most PIECE_BYTES_MAX; only runs of zeroes, all from one place, are longer. */
  #sendPieces(): void {
    while (this.#outstanding < REPLAY_PIECES_IN_FLIGHT_MAX) {
      const entry = this.#wave[this.#sentEntries];
      if (entry === undefined) return;
      const io = new ReplayIo();
      io.op = IO_OPS.WRITE;
      io.startSector = entry.startSector + this.#sentSectors;
      io.nrSectors = Math.min(PIECE_SECTORS, entry.nrSectors - this.#sentSectors);
      io.arenaOffset = entry.arenaOffset;
      this.#sentSectors += io.nrSectors;
      if (this.#sentSectors === entry.nrSectors) {
        this.#sentEntries++;
        this.#sentSectors = 0;
      }
      this.#sendOne(io);
    }
  }

  #sendOne(io: ReplayIo): void {
    io.judge = this;
    this.#outstanding++;
    this.#send(io);
  }

  #flushed(): void {
    if (this.#mark !== undefined) this.#journal.covered(this.#mark);
    this.#mark = undefined;
    this.#flushedChunk();
    this.start();
  }

  /** A library that dies right after a write must do so before the flush, to be understood. */
  #flushAfterControl(): void {
    const sector = this.#control();
    if (sector === undefined) {
      this.#flush();
      return;
    }
    const io = new ReplayIo();
    io.op = IO_OPS.READ;
    io.startSector = sector;
    io.nrSectors = 1;
    io.arenaOffset = this.#scratchOffsetBytes;
    this.#sendOne(io);
  }

  #flush(): void {
    this.#mark = this.#journal.mark(this.#epoch);
    this.#sendOne(new ReplayIo());
  }
}

function overlap(a: JournalEntry, b: JournalEntry): boolean {
  return a.startSector < b.startSector + b.nrSectors && b.startSector < a.startSector + a.nrSectors;
}
