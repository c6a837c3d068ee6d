// Lost ranges: acknowledged writes that no helper could repeat. Reads touching them fail, and every
// flush of the disk, until later writes cover them and are flushed. Pure; one per disk.
// The rule: a range is lost until the write that covers it has left the journal by a flush; only a
// write that is newer than the lost one covers it, in whatever order they are found to be lost.
import type { JournalEntry } from './journal.js';

interface LostRange {
  startSector: number;
  endSector: number;
  /** The journal's number of the newest write that was lost here. */
  sequence: number;
  /** The journal's number of the write that covers it; undefined: none has. */
  coveredBy: number | undefined;
}

export class LostRanges {
  #ranges: LostRange[] = [];

  /** Whether nothing is lost: then flushes tell the truth. */
  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** An acknowledged write can't be repeated. */
  add(entry: Pick<JournalEntry, 'startSector' | 'nrSectors' | 'sequence'>): void {
    const { startSector, nrSectors, sequence } = entry;
    const endSector = startSector + nrSectors;
    const known = this.#cut(startSector, endSector);
    this.#ranges.push({ startSector, endSector, sequence, coveredBy: undefined });
    for (const range of known) {
      const isNewer = range.sequence > sequence || (range.coveredBy ?? 0) > sequence;
      if (!isNewer) continue;
      this.#cut(range.startSector, range.endSector);
      this.#ranges.push({ ...range, sequence: Math.max(range.sequence, sequence) });
    }
  }

  /** A write is in the journal, as number `sequence`. */
  covered(startSector: number, nrSectors: number, sequence: number): void {
    if (this.isEmpty) return;
    for (const range of this.#cut(startSector, startSector + nrSectors)) {
      const isNewest = sequence > range.sequence && sequence > (range.coveredBy ?? 0);
      this.#ranges.push(isNewest ? { ...range, coveredBy: sequence } : range);
    }
  }

  /** A flush has succeeded; `isInJournal` tells which writes it did not make durable. */
  flushed(isInJournal: (sequence: number) => boolean): void {
    this.#ranges = this.#ranges.filter(
      ({ coveredBy }) => coveredBy === undefined || isInJournal(coveredBy),
    );
  }

  /** Whether a read would need bytes that are lost and not yet covered. */
  touches(startSector: number, nrSectors: number): boolean {
    return this.#ranges.some(
      (range) =>
        range.coveredBy === undefined &&
        range.startSector < startSector + nrSectors &&
        startSector < range.endSector,
    );
  }

  /** What is lost and not covered, in sectors. */
  list(): { startSector: number; nrSectors: number }[] {
    return this.#ranges
      .filter(({ coveredBy }) => coveredBy === undefined)
      .map(({ startSector, endSector }) => ({ startSector, nrSectors: endSector - startSector }));
  }

  /** Removes what lies between the two sectors; returns the removed pieces. */
  #cut(startSector: number, endSector: number): LostRange[] {
    const removed: LostRange[] = [];
    const kept: LostRange[] = [];
    for (const range of this.#ranges) {
      const start = Math.max(range.startSector, startSector);
      const end = Math.min(range.endSector, endSector);
      if (start >= end) {
        kept.push(range);
        continue;
      }
      removed.push({ ...range, startSector: start, endSector: end });
      if (range.startSector < start) kept.push({ ...range, endSector: start });
      if (end < range.endSector) kept.push({ ...range, startSector: end });
    }
    this.#ranges = kept;
    return removed;
  }
}
