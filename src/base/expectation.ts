// Keeps the event loop awake where the next message is expected at once: to sleep and be woken
// costs more than a library that answers at once, or a client that asks one thing after the other.
// helper/client.ts expects an answer with it, server/connection.ts the next request. The rules: the
// loop goes on serving everybody meanwhile; who expects in vain does it ever more seldom, and the
// more so where others want the processor (the helper's spin.c does the same on its side).
import {
  AWAKE_CALM_COUNT,
  AWAKE_GAP_US,
  AWAKE_SKIPS_CROWDED_MAX,
  AWAKE_SKIPS_CROWDED_MIN,
  AWAKE_SKIPS_MAX,
  AWAKE_US,
} from './limits.js';

/** What an Expectation needs of the world; tests have their own. */
export interface Loop {
  nowMs: () => number;
  /** Calls back in the next turn of the event loop, which does not sleep before. */
  nextTurn: (callback: () => void) => void;
}

const eventLoop: Loop = { nowMs: () => performance.now(), nextTurn: setImmediate };

export class Expectation {
  readonly #loop: Loop;
  #isOn = false;
  /** Whether a turn is asked for. */
  #hasTurn = false;
  #lastMs = 0;
  #untilMs = 0;
  #skips = 0;
  #skipsAfterVain = 0;
  #skipsWhenCrowded = AWAKE_SKIPS_CROWDED_MIN;
  /** How often it has come in time since the processor was wanted by others. */
  #calmCount = 0;

  constructor(loop: Loop = eventLoop) {
    this.#loop = loop;
  }

  /** It may come any moment. Nothing if it is expected already: the time is that of the first. */
  begin(): void {
    if (this.#isOn) return;
    if (this.#skips > 0) {
      this.#skips--;
      return;
    }
    this.#isOn = true;
    this.#lastMs = this.#loop.nowMs();
    this.#untilMs = this.#lastMs + AWAKE_US / 1000;
    this.#stayAwake();
  }

  /** It has come, expected or not. */
  came(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#skipsAfterVain = 0;
    if (++this.#calmCount === AWAKE_CALM_COUNT) this.#skipsWhenCrowded = AWAKE_SKIPS_CROWDED_MIN;
  }

  #stayAwake(): void {
    if (this.#hasTurn) return;
    this.#hasTurn = true;
    this.#loop.nextTurn(this.#turn);
  }

  readonly #turn = (): void => {
    this.#hasTurn = false;
    if (!this.#isOn) return;
    const nowMs = this.#loop.nowMs();
    if (nowMs - this.#lastMs > AWAKE_GAP_US / 1000) {
      // Others have had the processor, or the garbage collector has; only others come again soon.
      this.#isOn = false;
      this.#skips = this.#skipsWhenCrowded;
      this.#skipsWhenCrowded = Math.min(AWAKE_SKIPS_CROWDED_MAX, 2 * this.#skipsWhenCrowded);
      this.#calmCount = 0;
    } else if (nowMs < this.#untilMs) {
      this.#lastMs = nowMs;
      this.#stayAwake();
    } else {
      this.#isOn = false;
      this.#skips = this.#skipsAfterVain + 1;
      this.#skipsAfterVain = Math.min(AWAKE_SKIPS_MAX, 2 * this.#skipsAfterVain + 1);
    }
  };
}
