// The journal of one disk at work: what succeeded is remembered, what a flush covers is forgotten,
// and a flush of our own is made before there is too much of it or when nobody writes any more.
// The supervisor owns one if its library may forget writes when its process dies.
// The rule: without a flush in the library nothing can ever be called safe; then the journal is a
// ring that forgets its oldest, and says so once.
import type { Clock, Timer } from '../base/clock.js';
import { JOURNAL_ENTRIES_MAX, JOURNAL_IDLE_FLUSH_MS, SECTOR_BYTES } from '../base/limits.js';
import type { Log } from '../base/log.js';
import { IO_OPS } from '../helper/protocol.js';
import type { Journal } from './journal.js';
import { SupervisedIo } from './supervised-io.js';

export interface WriteBackOptions {
  name: string;
  journal: Journal;
  /** Bytes that the journal may hold: what the write arena can lend. */
  journalBytesMax: number;
  clock: Clock;
  log: Log;
  /** Runs a flush of our own, as if a client had asked for it. */
  runFlush: (flush: SupervisedIo) => void;
}

/** Our own flush: one at a time. */
class OwnFlush extends SupervisedIo {
  op = IO_OPS.FLUSH;
  pending = false;

  settled(): void {
    // A failure is in the log already, and the journal still has everything.
    this.pending = false;
  }
}

export class WriteBack {
  readonly journal: Journal;
  /** Set when the disk is open. */
  canFlush = true;
  readonly #options: WriteBackOptions;
  readonly #ownFlush = new OwnFlush();
  #idleTimer: Timer | undefined;
  #lastWriteMs = 0;
  #saidForgetting = false;

  constructor(options: WriteBackOptions) {
    this.#options = options;
    this.journal = options.journal;
  }

  /** A write or flush succeeded in `epoch`. */
  succeeded(io: SupervisedIo, epoch: number): void {
    if (io.op === IO_OPS.FLUSH) {
      if (io.mark?.epoch === epoch) this.journal.covered(io.mark);
    } else if (io.op === IO_OPS.WRITE) {
      const { startSector, nrSectors, arenaOffset, memory } = io;
      this.journal.add({ startSector, nrSectors, arenaOffset, memory, epoch });
      this.#written();
    }
  }

  /** Somebody waits for memory that the journal may be holding. */
  flushSoon(): void {
    if (this.#ownFlush.pending || this.journal.entries.length === 0) return;
    if (!this.canFlush) {
      this.#forget(0);
      return;
    }
    this.#ownFlush.pending = true;
    this.#ownFlush.failedBefore = false;
    this.#options.runFlush(this.#ownFlush);
  }

  stop(): void {
    this.#idleTimer?.cancel();
  }

  #written(): void {
    const { clock, journalBytesMax } = this.#options;
    const { bytes, entries } = this.journal;
    if (bytes > journalBytesMax / 2 || entries.length > JOURNAL_ENTRIES_MAX / 2) {
      if (this.canFlush) this.flushSoon();
      else this.#forget(journalBytesMax / 2);
    }
    this.#lastWriteMs = clock.nowMs();
    this.#idleTimer ??= clock.after(JOURNAL_IDLE_FLUSH_MS, this.#idle);
  }

  readonly #idle = (): void => {
    this.#idleTimer = undefined;
    if (this.journal.entries.length === 0 || !this.canFlush) return;
    const leftMs = this.#lastWriteMs + JOURNAL_IDLE_FLUSH_MS - this.#options.clock.nowMs();
    if (leftMs > 0) this.#idleTimer = this.#options.clock.after(leftMs, this.#idle);
    else this.flushSoon();
  };

  #forget(bytesMax: number): void {
    this.journal.forgetOldest(bytesMax, JOURNAL_ENTRIES_MAX / 2);
    if (this.#saidForgetting) return;
    this.#saidForgetting = true;
    this.#options.log.warning(
      `${this.#options.name}: this library can't flush: after a crash of it only the last ` +
        `${journalMiB(this.#options.journalBytesMax / 2)} MiB of writes can be repeated`,
    );
  }
}

function journalMiB(bytes: number): number {
  return Math.floor(bytes / (2048 * SECTOR_BYTES));
}
