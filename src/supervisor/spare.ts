// The spare helper: a process that has loaded and initialised the library and opened nothing, so
// that a death costs no more than an open. The supervisor keeps one beside the helper at work.
// The rule: it never touches a disk; nothing waits for it, and its end troubles nobody.
import type { Clock, Timer } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import { SPARE_RETRY_MS, SPARE_START_MS } from '../base/limits.js';
import type { Helper } from '../helper/helper.js';
import type { HelloResult } from '../helper/protocol.js';

/** A helper and its HELLO, which may still be on its way. */
export interface Greeted {
  helper: Helper;
  hello: Promise<HelloResult>;
}

export interface SpareOptions {
  /** Starts a helper and sends it HELLO. */
  greet: () => Greeted;
  clock: Clock;
  /** What went wrong with a spare, for the debug log. */
  note: (text: string) => void;
}

export class Spare {
  readonly #options: SpareOptions;
  #spare: (Greeted & { sinceMs: number; isReady: boolean }) | undefined;
  #timer: Timer | undefined;
  #ended = false;

  constructor(options: SpareOptions) {
    this.#options = options;
  }

  /** Makes one in `delayMs`, unless there is one by then. */
  prepare(delayMs: number): void {
    if (this.#ended || this.#spare !== undefined || this.#timer !== undefined) return;
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#start();
    });
  }

  /** Hands it over, if there is one that is ready, or about to be. */
  take(): Greeted | undefined {
    const spare = this.#spare;
    if (spare === undefined) return undefined;
    const isLate = this.#options.clock.nowMs() - spare.sinceMs > SPARE_START_MS;
    if (!spare.isReady && isLate) return undefined;
    this.#spare = undefined;
    return spare;
  }

  /** Ends it; there will be no other. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.#ended = true;
    this.#timer?.cancel();
    const spare = this.#spare;
    this.#spare = undefined;
    spare?.helper.kill('is not needed any more');
    await spare?.helper.ended;
  }

  #start(): void {
    const { clock, greet, note } = this.#options;
    const spare = { ...greet(), sinceMs: clock.nowMs(), isReady: false };
    this.#spare = spare;
    spare.hello.then(
      () => {
        spare.isReady = true;
      },
      (thrown: unknown) => {
        note(`the spare helper: ${messageOf(thrown)}`);
        spare.helper.kill('could not be made ready');
      },
    );
    void spare.helper.ended.then(() => {
      if (this.#spare !== spare) return;
      this.#spare = undefined;
      this.prepare(SPARE_RETRY_MS);
    });
  }
}
