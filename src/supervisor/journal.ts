// What a library may still forget: writes whose success we have seen and that no later flush has
// covered. The slots of the write arena that hold their bytes stay lent until then, so that after
// a death everything can be written again. Pure; the supervisor keeps one per disk.
// The rule: a flush covers only entries whose success, in the flush's own epoch, was processed
// before the flush was dispatched.
import { SECTOR_BYTES } from '../base/limits.js';
import type { Suspicion } from './suspects.js';

/** Memory that entries refer to: a record of whose it is. */
export interface JournalMemory {
  /** Entries that refer to it; for the journal alone. */
  journalEntries: number;
}

/** A write, or a run of zeroes, to be repeated after a death. */
export interface JournalEntry {
  startSector: number;
  nrSectors: number;
  /** Where its bytes are in the write arena. */
  readonly arenaOffset: number;
  /** The slot that holds them; undefined: the constant zeroes. */
  readonly memory: JournalMemory | undefined;
  /** The open in which its last success was seen. */
  epoch: number;
  /** Order of success, and so of effect. */
  sequence: number;
  /** The deaths in replays that it was alone in flight at. */
  suspicion?: Suspicion;
}

/** What a flush covers if it succeeds: see mark(). */
export interface FlushMark {
  epoch: number;
  upToSequence: number;
}

/** The unflushed writes of one disk, oldest first. */
export class Journal {
  readonly #freeMemory: (memory: JournalMemory) => void;
  #entries: JournalEntry[] = [];
  #sequence = 0;
  /** No entry up to this one may grow: a flush may have been dispatched that covers it. */
  #markedSequence = 0;
  #bytes = 0;

  /** `freeMemory` is told when no entry refers to some memory any more. */
  constructor(freeMemory: (memory: JournalMemory) => void) {
    this.#freeMemory = freeMemory;
  }

  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  /** Bytes of entries that hold memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether an entry refers to `memory`. */
  holds(memory: JournalMemory): boolean {
    return memory.journalEntries > 0;
  }

  /**
   * A write succeeded in `epoch`. Zeroes that continue the last entry make it longer, but not in
   * the place of one that was given up since: they are newer, and their number must say so.
   * Returns the number of its entry.
   */
  add(
    write: Pick<JournalEntry, 'startSector' | 'nrSectors' | 'arenaOffset' | 'memory' | 'epoch'>,
  ): number {
    const last = this.#entries.at(-1);
    if (
      last !== undefined &&
      last.memory === undefined &&
      write.memory === undefined &&
      last.epoch === write.epoch &&
      last.sequence === this.#sequence &&
      last.sequence > this.#markedSequence &&
      last.startSector + last.nrSectors === write.startSector
    ) {
      last.nrSectors += write.nrSectors;
      return last.sequence;
    }
    const { startSector, nrSectors, arenaOffset, memory, epoch } = write;
    const sequence = ++this.#sequence;
    this.#entries.push({ startSector, nrSectors, arenaOffset, memory, epoch, sequence });
    if (memory !== undefined) {
      memory.journalEntries++;
      this.#bytes += nrSectors * SECTOR_BYTES;
    }
    return sequence;
  }

  /** Whether the entry of this number has not been flushed. */
  has(sequence: number): boolean {
    return this.#entries.some((entry) => entry.sequence === sequence);
  }

  /** Makes two of an entry, so that each can be repeated alone. */
  halve(entry: JournalEntry): void {
    const { arenaOffset, epoch, memory, sequence } = entry;
    const index = this.#entries.indexOf(entry);
    const nrSectors = Math.floor(entry.nrSectors / 2);
    const second: JournalEntry = {
      startSector: entry.startSector + nrSectors,
      nrSectors: entry.nrSectors - nrSectors,
      // Zeroes all come from one place.
      arenaOffset: arenaOffset + (memory === undefined ? 0 : nrSectors * SECTOR_BYTES),
      ...{ memory, epoch, sequence },
    };
    entry.nrSectors = nrSectors;
    // What the whole was suspected of says nothing of a half.
    delete entry.suspicion;
    this.#entries.splice(index + 1, 0, second);
    // The edges of one request share a slot, too.
    if (memory !== undefined) memory.journalEntries++;
  }

  /** Gives an entry up. */
  remove(entry: JournalEntry): void {
    this.#removeWhere((other) => other === entry);
  }

  /** Taken when a flush is dispatched in `epoch`. */
  mark(epoch: number): FlushMark {
    this.#markedSequence = this.#sequence;
    return { epoch, upToSequence: this.#sequence };
  }

  /** The flush that was given `mark` has succeeded, in its epoch. */
  covered(mark: FlushMark): void {
    this.#removeWhere(
      ({ epoch, sequence }) => epoch === mark.epoch && sequence <= mark.upToSequence,
    );
  }

  /** Forgets the oldest entries until at most `bytesMax` and `entriesMax` are left. */
  forgetOldest(bytesMax: number, entriesMax: number): number {
    let forgotten = 0;
    let bytes = this.#bytes;
    for (const { memory, nrSectors } of this.#entries) {
      if (bytes <= bytesMax && this.#entries.length - forgotten <= entriesMax) break;
      if (memory !== undefined) bytes -= nrSectors * SECTOR_BYTES;
      forgotten++;
    }
    const firstKept = this.#entries[forgotten]?.sequence ?? Infinity;
    if (forgotten > 0) this.#removeWhere(({ sequence }) => sequence < firstKept);
    return forgotten;
  }

  #removeWhere(isGone: (entry: JournalEntry) => boolean): void {
    const kept: JournalEntry[] = [];
    const freed: JournalMemory[] = [];
    for (const entry of this.#entries) {
      if (!isGone(entry)) {
        kept.push(entry);
      } else if (entry.memory !== undefined) {
        this.#bytes -= entry.nrSectors * SECTOR_BYTES;
        if (--entry.memory.journalEntries === 0) freed.push(entry.memory);
      }
    }
    this.#entries = kept;
    // Last, for it may grant memory to requests, and those may come back to us.
    for (const memory of freed) this.#freeMemory(memory);
  }
}
