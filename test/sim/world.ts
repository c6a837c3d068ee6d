// Simulated time, and the front end's event loop in it: a turn fires the timers that are due, then
// reads what has arrived. The world outside (helpers, the host) goes on while the front end pauses.
// The rule: two runs that ask for the same things in the same order see the same times.
import type { Clock, Timer } from '../../src/base/clock.js';

interface Happening {
  atMs: number;
  order: number;
  fire: () => void;
  isCancelled: boolean;
}

/** Happenings, earliest first; those of one moment in the order in which they were planned. */
class Agenda {
  readonly #heap: Happening[] = [];
  #order = 0;

  add(atMs: number, fire: () => void): Timer {
    const happening = { atMs, order: this.#order++, fire, isCancelled: false };
    this.#heap.push(happening);
    this.#up(this.#heap.length - 1);
    return {
      cancel: () => {
        happening.isCancelled = true;
      },
    };
  }

  /** When the first of them is due. */
  get firstMs(): number {
    while (this.#heap[0]?.isCancelled === true) this.#pop();
    return this.#heap[0]?.atMs ?? Infinity;
  }

  /** Takes the first one if it is due. */
  takeDue(nowMs: number): Happening | undefined {
    return this.firstMs <= nowMs ? this.#pop() : undefined;
  }

  #isBefore(a: number, b: number): boolean {
    const [first, second] = [this.#heap[a]!, this.#heap[b]!];
    return first.atMs < second.atMs || (first.atMs === second.atMs && first.order < second.order);
  }

  #swap(a: number, b: number): void {
    [this.#heap[a], this.#heap[b]] = [this.#heap[b]!, this.#heap[a]!];
  }

  #up(index: number): void {
    for (let parent = (index - 1) >> 1; index > 0; parent = (index - 1) >> 1) {
      if (!this.#isBefore(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #pop(): Happening {
    const first = this.#heap[0]!;
    const last = this.#heap.pop()!;
    if (this.#heap.length === 0) return first;
    this.#heap[0] = last;
    for (let index = 0; ;) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < this.#heap.length && this.#isBefore(child, least)) least = child;
      }
      if (least === index) return first;
      this.#swap(index, least);
      index = least;
    }
  }
}

/** What the machine does between two looks of the event loop: promises first. */
function promisesSettled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class World implements Clock {
  #nowMs = 0;
  #pausedUntilMs = 0;
  readonly #timers = new Agenda();
  readonly #outside = new Agenda();
  #arrived: (() => void)[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  /** A timer of the front end: late if the front end is. */
  after(delayMs: number, fire: () => void): Timer {
    return this.#timers.add(this.#nowMs + Math.max(delayMs, 0), fire);
  }

  /** Something outside of the front end, on time whatever the front end does. */
  outside(delayMs: number, fire: () => void): Timer {
    return this.#outside.add(this.#nowMs + delayMs, fire);
  }

  /** Something for the front end to read: in order, when it next looks. */
  arrive(read: () => void): void {
    this.#arrived.push(read);
  }

  /** The front end is stopped, suspended or busy for so long. */
  pause(ms: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#nowMs + ms);
  }

  /** One turn. False: nothing will ever happen any more. */
  async turn(): Promise<boolean> {
    const wakeMs = this.#arrived.length > 0 ? this.#nowMs : this.#timers.firstMs;
    const nextMs = Math.min(this.#outside.firstMs, Math.max(wakeMs, this.#pausedUntilMs));
    if (nextMs === Infinity) return false;
    this.#nowMs = Math.max(this.#nowMs, nextMs);
    for (let due = this.#outside.takeDue(this.#nowMs); due;) {
      due.fire();
      due = this.#outside.takeDue(this.#nowMs);
    }
    if (this.#nowMs < this.#pausedUntilMs) return true;
    const dueMs = this.#nowMs;
    // Those that become due in this turn wait for the next one, as they do in node.
    const due: Happening[] = [];
    for (let timer = this.#timers.takeDue(dueMs); timer; timer = this.#timers.takeDue(dueMs)) {
      due.push(timer);
    }
    for (const timer of due) {
      if (timer.isCancelled) continue;
      timer.fire();
      await promisesSettled();
    }
    const arrived = this.#arrived;
    this.#arrived = [];
    for (const read of arrived) read();
    await promisesSettled();
    return true;
  }
}
