// Keeps the event loop awake for a moment when a client has all its replies: one that asks again at
// once would have to wake us, which costs tens of microseconds, as much as serving a small request.
// Not used while anything is under way, when other processes have work for the processor.
// The rule: it must not burn a processor for nothing, so a spin in which nothing came has the next
// ones skipped, twice as many each time. Where others wait for the processor, who burns it is made
// to wait in turn, for longer than a wake-up takes: a spin that lost it has many skipped.
import type { Clock } from '../base/clock.js';

/**
 * How long nothing may come before the loop sleeps: a few times the round trip of a local client.
 */
const SPIN_MS = 0.1;
/** Calls of expectSoon() that are skipped at most after spins in vain. */
const SKIPS_MAX = 256;
/** Calls that are skipped after a spin that lost the processor. */
const SKIPS_CROWDED = 1024;
/** Two turns of the event loop that are so far apart: this thread was away, or is busy. */
const GAP_MS = 0.5;

export class Spinner {
  readonly #clock: Clock;
  readonly #nextTurn: (run: () => void) => void;
  #untilMs = 0;
  #lastTurnMs = 0;
  #spinning = false;
  #skips = 0;
  #skipsAfterVain = 1;

  /** `nextTurn` runs something in the next turn of the event loop, and keeps it from sleeping. */
  constructor(clock: Clock, nextTurn: (run: () => void) => void = setImmediate) {
    this.#clock = clock;
    this.#nextTurn = nextTurn;
  }

  /** All replies have left, and the next request may come at once. */
  expectSoon(): void {
    if (this.#spinning) {
      this.#skipsAfterVain = 1;
    } else if (this.#skips > 0) {
      this.#skips--;
      return;
    } else {
      this.#spinning = true;
      this.#lastTurnMs = this.#clock.nowMs();
      this.#nextTurn(this.#turn);
    }
    this.#untilMs = this.#clock.nowMs() + SPIN_MS;
  }

  readonly #turn = (): void => {
    const nowMs = this.#clock.nowMs();
    const gapMs = nowMs - this.#lastTurnMs;
    this.#lastTurnMs = nowMs;
    if (gapMs < GAP_MS && nowMs < this.#untilMs) {
      this.#nextTurn(this.#turn);
      return;
    }
    this.#spinning = false;
    if (gapMs >= GAP_MS) {
      this.#skips = SKIPS_CROWDED;
      return;
    }
    this.#skips = this.#skipsAfterVain;
    this.#skipsAfterVain = Math.min(2 * this.#skipsAfterVain, SKIPS_MAX);
  };
}
