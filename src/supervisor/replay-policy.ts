// How the journal is written again after replays that went wrong: in chunks that halve down to one
// entry, and what is to blame when even that one kills. Pure; one per disk, kept over helpers.
// The rule: an acknowledged write is given up only by a conviction, and then its range is lost.
import type { Journal, JournalEntry } from './journal.js';
import type { ReplayWork } from './journal-replay.js';
import { type DeathFacts, Suspicion } from './suspects.js';

/** What a replay that went wrong has shown. */
export type ReplayVerdict = { lost: JournalEntry } | { badFlush: true } | undefined;

/** How a helper ended. */
type HelperFacts = Omit<DeathFacts, 'alone' | 'atSector'>;

export class ReplayPolicy {
  readonly #journal: Journal;
  /** Journal entries between two flushes of a replay. */
  chunkEntries = Infinity;
  /** A flush failed in the last replay: the next one makes none. (The one after it does again.) */
  #skipsFlushes = false;
  #flushSuspicion: Suspicion | undefined;
  /** The entry that the library refused in the last replay, when it was alone in its chunk. */
  #refused: JournalEntry | undefined;
  /** The entry that was alone in the last replay that went wrong. */
  #suspect: JournalEntry | undefined;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Whether a read elsewhere must show first that the helper works at all. */
  get needsControl(): boolean {
    return this.#suspect !== undefined || this.#flushSuspicion !== undefined;
  }

  /** The sectors that no control read may touch. */
  get suspect(): JournalEntry | undefined {
    return this.#suspect;
  }

  /** Asked when a replay begins: whether it makes flushes. */
  takeFlushes(): boolean {
    const flushes = !this.#skipsFlushes;
    this.#skipsFlushes = false;
    return flushes;
  }

  /** A flush of a replay failed. */
  flushFailed(): void {
    this.#skipsFlushes = true;
  }

  /**
   * The library refused a request of a replay. That is no death: it may pass, and is tried again
   * until the time for recovery is over. `work` is what may be to blame then; undefined: nothing,
   * the session was lost.
   */
  refused(work: ReplayWork | undefined): void {
    this.#refused = this.chunkEntries === 1 ? work?.entry : undefined;
    this.#halve();
  }

  /** The time for recovery is over. Returns the entry that was refused to the end, if one was. */
  gaveUp(): JournalEntry | undefined {
    const refused = this.#refused;
    this.#refused = undefined;
    return refused;
  }

  /** A flush has succeeded. */
  flushed(): void {
    this.#flushSuspicion = undefined;
    this.#suspect = undefined;
    this.#refused = undefined;
  }

  /** A chunk has been written and flushed: the next may be larger. */
  chunkFlushed(): void {
    this.flushed();
    this.chunkEntries *= 2;
  }

  /** Everything is written again. */
  done(): void {
    this.chunkEntries = Infinity;
    this.#suspect = undefined;
    this.#refused = undefined;
  }

  /** The helper ended in a replay, with the write from `atSector` on in it, if any. */
  died(work: ReplayWork | undefined, facts: HelperFacts, atSector?: number): ReplayVerdict {
    this.#refused = undefined;
    if (work === undefined) return undefined;
    if (this.chunkEntries > 1) {
      this.#halve();
      return undefined;
    }
    const { entry, op } = work;
    if (op === 'flush') return this.#blameFlush(facts);
    // It has run in parts, for want of memory: each of them deserves a flush of its own.
    const isInParts = atSector !== undefined && atSector !== entry.startSector;
    // Zeroes may be of several writes, of which only one is bad.
    const isOfSeveral = entry.memory === undefined && entry.nrSectors > 1;
    if (!isInParts && !isOfSeveral) return this.#blame(entry, facts);
    this.#journal.halve(entry);
    return undefined;
  }

  /** A control read has worked in `tookMs`: a hang was no outage. */
  controlled(tookMs: number): ReplayVerdict {
    this.#flushSuspicion?.controlled(tookMs);
    this.#suspect?.suspicion?.controlled(tookMs);
    return this.#verdict();
  }

  #halve(): void {
    const entries = Math.min(this.chunkEntries, this.#journal.entries.length);
    this.chunkEntries = Math.max(1, Math.floor(entries / 2));
  }

  #blameFlush(facts: HelperFacts): ReplayVerdict {
    this.#flushSuspicion ??= new Suspicion();
    this.#flushSuspicion.died({ ...facts, alone: true, atSector: 0 });
    return this.#verdict();
  }

  #blame(entry: JournalEntry, facts: HelperFacts): ReplayVerdict {
    this.#suspect = entry;
    this.#flushSuspicion = undefined;
    entry.suspicion ??= new Suspicion();
    entry.suspicion.died({ ...facts, alone: true, atSector: entry.startSector });
    return this.#verdict();
  }

  #verdict(): ReplayVerdict {
    if (this.#flushSuspicion?.isConvicted) {
      this.#flushSuspicion = undefined;
      return { badFlush: true };
    }
    const lost = this.#suspect;
    if (!lost?.suspicion?.isConvicted) return undefined;
    this.#suspect = undefined;
    return { lost };
  }
}
