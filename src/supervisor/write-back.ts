// The journal of one disk at work: what succeeded is remembered, what a flush covers is forgotten,
// and a flush of our own is made before there is too much of it or when nobody writes any more.
// The supervisor owns one if its library may forget writes when its process dies.
// The rule: without a flush in the library nothing can ever be called safe; then the journal is a
// ring that forgets its oldest, and says so once.
import type { Clock, Timer } from '../base/clock.js';
import { JOURNAL_ENTRIES_MAX, JOURNAL_IDLE_FLUSH_MS, SECTOR_BYTES } from '../base/limits.js';
import type { Log } from '../base/log.js';
import { IO_OPS } from '../helper/protocol.js';
import type { Journal, JournalEntry } from './journal.js';
import type { ReplayWork } from './journal-replay.js';
import { LostRanges } from './lost-ranges.js';
import type { Quarantine } from './quarantine.js';
import { ReplayPolicy, type ReplayVerdict } from './replay-policy.js';
import { SupervisedIo } from './supervised-io.js';
import type { DeathFacts } from './suspects.js';

export interface WriteBackOptions {
  name: string;
  journal: Journal;
  /** Bytes that the journal may hold: what the write arena can lend. */
  journalBytesMax: number;
  clock: Clock;
  log: Log;
  quarantine: Quarantine;
  /** Runs a flush of our own, as if a client had asked for it. */
  runFlush: (flush: SupervisedIo) => void;
  /** A flush of our own failed: who waits for memory that the journal holds waits in vain. */
  flushFailed: () => void;
}

/** Any flush: all are the same. */
const ANY_FLUSH = { op: IO_OPS.FLUSH, startSector: 0, nrSectors: 0 };

/** Our own flush: one at a time. */
class OwnFlush extends SupervisedIo {
  op = IO_OPS.FLUSH;
  override readonly isOwn = true;
  pending = false;
  readonly #done: (isFlushed: boolean) => void;

  constructor(done: (isFlushed: boolean) => void) {
    super();
    this.#done = done;
  }

  settled(vixError: number | bigint): void {
    this.pending = false;
    // A failure is in the log already, and the journal still has everything.
    this.#done(vixError === 0);
  }
}

export class WriteBack {
  readonly journal: Journal;
  readonly policy: ReplayPolicy;
  readonly lost = new LostRanges();
  /** Set when the disk is open. */
  canFlush = true;
  readonly #options: WriteBackOptions;
  readonly #ownFlush: OwnFlush;
  #idleTimer: Timer | undefined;
  #lastWriteMs = 0;
  #isStuck = false;
  #saidForgetting = false;

  constructor(options: WriteBackOptions) {
    this.#options = options;
    this.journal = options.journal;
    this.policy = new ReplayPolicy(options.journal);
    this.#ownFlush = new OwnFlush((isFlushed) => {
      this.#isStuck = !isFlushed;
      if (!isFlushed) options.flushFailed();
      // Writes that succeeded after it was dispatched.
      else if (this.journal.entries.length > 0) this.#wakeLater();
    });
  }

  /** Whether a write that succeeds now must wait for a flush before it may be answered. */
  get isFull(): boolean {
    return this.canFlush && this.journal.entries.length >= JOURNAL_ENTRIES_MAX;
  }

  /** Whether our own flush has failed, and none has succeeded since: nothing will make room. */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  /** Whether the library can flush, and does not die of it. */
  get mayFlush(): boolean {
    return this.canFlush && this.#options.quarantine.judge(ANY_FLUSH) !== 'bad';
  }

  /** A write or flush succeeded in `epoch`. */
  succeeded(io: SupervisedIo, epoch: number): void {
    if (io.op === IO_OPS.FLUSH) {
      if (io.mark?.epoch !== epoch) return;
      this.journal.covered(io.mark);
      this.policy.flushed();
      this.#flushed();
    } else if (io.op === IO_OPS.WRITE) {
      this.written(io, io.nrSectors - io.doneSectors, epoch);
    }
  }

  /** `nrSectors` of a write, behind those that are done, were written in `epoch`. */
  written(io: SupervisedIo, nrSectors: number, epoch: number): void {
    const { doneSectors, memory } = io;
    const startSector = io.startSector + doneSectors;
    // Zeroes all come from one place.
    const arenaOffset = io.arenaOffset + (memory === undefined ? 0 : doneSectors * SECTOR_BYTES);
    const sequence = this.journal.add({ startSector, nrSectors, arenaOffset, memory, epoch });
    this.lost.covered(startSector, nrSectors, sequence);
    this.#flushBeforeFull();
  }

  /** A chunk of the journal has been written again and flushed. */
  chunkFlushed(): void {
    this.policy.chunkFlushed();
    this.#flushed();
  }

  /** The helper ended in a replay, with the write from `atSector` on in it, if any. */
  replayDied(
    work: ReplayWork | undefined,
    facts: Omit<DeathFacts, 'alone' | 'atSector'>,
    atSector: number | undefined,
  ): void {
    this.#judge(this.policy.died(work, facts, atSector));
  }

  /** A control read has worked in `tookMs`. */
  controlled(tookMs: number): void {
    this.#judge(this.policy.controlled(tookMs));
  }

  /** The time for recovery is over: an entry that was refused all that time is lost. */
  gaveUp(): void {
    const refused = this.policy.gaveUp();
    if (refused !== undefined) this.#lose(refused, 'the library refuses to write them');
  }

  #judge(verdict: ReplayVerdict): void {
    if (verdict === undefined) return;
    const { log, name, quarantine } = this.#options;
    if ('badFlush' in verdict) {
      log.error(`${name}: every flush kills the library: none is made for ten minutes`);
      quarantine.add(ANY_FLUSH);
      return;
    }
    this.#lose(verdict.lost, 'to write them kills the library');
  }

  #lose(entry: JournalEntry, why: string): void {
    const { log, name } = this.#options;
    this.lost.add(entry);
    this.journal.remove(entry);
    // What was written over it later is in the journal.
    for (const { startSector, nrSectors, sequence } of this.journal.entries) {
      this.lost.covered(startSector, nrSectors, sequence);
    }
    log.error(`${name}: lost: ${describeRange(entry)}: ${why}`);
  }

  #flushed(): void {
    this.#isStuck = false;
    if (!this.lost.isEmpty) this.lost.flushed((sequence) => this.journal.has(sequence));
  }

  /** Somebody waits for memory that the journal may be holding. */
  flushSoon(): void {
    if (this.#ownFlush.pending || this.journal.entries.length === 0) return;
    if (!this.canFlush) {
      this.#forget(0);
      return;
    }
    this.#ownFlush.pending = true;
    this.#ownFlush.renew();
    this.#options.runFlush(this.#ownFlush);
  }

  stop(): void {
    this.#idleTimer?.cancel();
  }

  #flushBeforeFull(): void {
    const { journalBytesMax } = this.#options;
    const { bytes, entries } = this.journal;
    if (bytes > journalBytesMax / 2 || entries.length > JOURNAL_ENTRIES_MAX / 2) {
      if (this.canFlush) this.flushSoon();
      else this.#forget(journalBytesMax / 2);
    }
    this.#wakeLater();
  }

  #wakeLater(): void {
    const { clock } = this.#options;
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

/** `512 bytes at offset 1024`. */
export function describeRange({
  startSector,
  nrSectors,
}: Pick<JournalEntry, 'startSector' | 'nrSectors'>): string {
  return `${nrSectors * SECTOR_BYTES} bytes at offset ${startSector * SECTOR_BYTES}`;
}

function journalMiB(bytes: number): number {
  return Math.floor(bytes / (2048 * SECTOR_BYTES));
}
