// Write slots that outlive their request, because the journal may have to write them again.
// The disk over a helper hands them over when it releases a request; the journal gives them back.
// The rule: a slot is freed by whoever lets go of it last, the request or the journal.
import type { Demand, Grants } from '../arena/grants.js';
import { Slot } from '../arena/slots.js';
import { UNFLUSHED_LINES_MAX } from '../base/limits.js';
import { Journal, type JournalEntry } from '../supervisor/journal.js';
import { describeRange } from '../supervisor/write-back.js';

export class KeptSlots {
  readonly journal: Journal;
  readonly #grants: Grants;

  constructor(grants: Grants) {
    this.#grants = grants;
    this.journal = new Journal((memory) => {
      if (!(memory instanceof Slot && memory.isKept)) return;
      memory.isKept = false;
      this.#grants.giveBack(memory);
    });
  }

  /** Takes over those slots of `demand`, which is about to be released, that the journal holds. */
  takeFrom(demand: Demand): void {
    this.#grants.keep(demand, (slot) => {
      slot.isKept = this.journal.holds(slot);
      return slot.isKept;
    });
  }
}

/** A line for each write that was answered and is not durable; the last one counts the rest. */
export function unflushedLines(entries: readonly JournalEntry[]): string[] {
  const shown = entries.slice(0, UNFLUSHED_LINES_MAX);
  const lines = shown.map((entry) => `not flushed: ${describeRange(entry)}`);
  const rest = entries.length - lines.length;
  if (rest > 0) lines.push(`not flushed: ${rest} more writes`);
  return lines;
}
