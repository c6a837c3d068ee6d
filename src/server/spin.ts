// Keeps the event loop awake for a moment when a client has all its replies: one that asks again at
// once would have to wake us, which costs tens of microseconds, as much as serving a small request.
// Not used while anything is under way, when other processes have work for the processor.
// The rule: it must not burn a processor for nothing, so a spin in which nothing came has the next
// ones skipped, twice as many each time.
import type { Clock } from '../base/clock.js';

/**
 * How long nothing may come before the loop sleeps: a few times the round trip of a local client.
 */
const SPIN_MS = 0.1;
/** Calls of expectSoon() that are skipped at most after spins in vain. */
const SKIPS_MAX = 256;

export class Spinner {
  readonly #clock: Clock;
  readonly #nextTurn: (run: () => void) => void;
  #untilMs = 0;
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
      this.#nextTurn(this.#turn);
    }
    this.#untilMs = this.#clock.nowMs() + SPIN_MS;
  }

  readonly #turn = (): void => {
    if (this.#clock.nowMs() < this.#untilMs) {
      this.#nextTurn(this.#turn);
      return;
    }
    this.#spinning = false;
    this.#skips = this.#skipsAfterVain;
    this.#skipsAfterVain = Math.min(2 * this.#skipsAfterVain, SKIPS_MAX);
  };
}
