// Order: two overlapping requests of which one writes are never in the helper together, and those
// that wait go in order of arrival. Pure; used by the disk over a helper for every request.
// The rule: a range is held from dispatch to the final result, deaths and replays included.

/** A range of sectors that is, or wants to be, held. Its owner preallocates and reuses it. */
export abstract class LockedRange {
  startSector = 0;
  /** First sector behind the range. */
  endSector = 0;
  /** True for a writer: it shares its range with nobody. */
  exclusive = false;
  /** Ranges that came later, and for which this one is the last of those in their way. */
  readonly dependents: LockedRange[] = [];
  previous: LockedRange | undefined = undefined;
  next: LockedRange | undefined = undefined;

  /** The range is held now. Called once, and only if acquire() returned false. */
  abstract locked(): void;
}

/** The held and waiting ranges of one disk, in order of arrival. */
export class RangeLock {
  #first: LockedRange | undefined;
  #last: LockedRange | undefined;
  #writers = 0;

  /** Queues `range`. True: it is held at once; false: its locked() will be called. */
  acquire(range: LockedRange): boolean {
    range.previous = this.#last;
    if (this.#last) this.#last.next = range;
    else this.#first = range;
    this.#last = range;
    if (range.exclusive) this.#writers++;
    return !this.#waits(range);
  }

  /** Holds `range`, for a reader that would rather not wait, or returns false. */
  tryAcquire(range: LockedRange): boolean {
    if (this.#isWritten(range, this.#first)) return false;
    return this.acquire(range);
  }

  /** Whether a writer waits that wants some of the held `range`. */
  isWanted(range: LockedRange): boolean {
    return this.#isWritten(range, range.next);
  }

  /** Whether `from` or what came after it writes, or will write, some of `range`. */
  #isWritten(range: LockedRange, from: LockedRange | undefined): boolean {
    if (this.#writers === 0) return false;
    for (let other = from; other; other = other.next) {
      const isApart = range.startSector >= other.endSector || other.startSector >= range.endSector;
      if (other.exclusive && !isApart) return true;
    }
    return false;
  }

  /** Gives up a held range; those that waited for it alone are held before this returns. */
  release(range: LockedRange): void {
    if (range.previous) range.previous.next = range.next;
    else this.#first = range.next;
    if (range.next) range.next.previous = range.previous;
    else this.#last = range.previous;
    range.previous = undefined;
    range.next = undefined;
    if (range.exclusive) this.#writers--;
    if (range.dependents.length === 0) return;
    for (const dependent of range.dependents.splice(0)) {
      if (!this.#waits(dependent)) dependent.locked();
    }
  }

  /**
   * Whether something that came before `range` is in its way; `range` is looked at again when the
   * last of that is released. Waiting for one at a time takes memory by the number of ranges, not
   * by its square. A scan of what is under way; none at all while nobody writes.
   */
  #waits(range: LockedRange): boolean {
    if (!range.exclusive && this.#writers === 0) return false;
    for (let other = range.previous; other; other = other.previous) {
      if (
        (range.exclusive || other.exclusive) &&
        range.startSector < other.endSector &&
        other.startSector < range.endSector
      ) {
        other.dependents.push(range);
        return true;
      }
    }
    return false;
  }

  /** Whether nothing is held and nothing waits. */
  get idle(): boolean {
    return this.#first === undefined;
  }
}
