// Brings one helper to an open disk: HELLO, which a spare helper has behind it already, then
// CONNECT, OPEN, INFO, each with a deadline. The supervisor calls it for every helper.
import type { Clock } from '../base/clock.js';
import { CREATE_TIMEOUT_MS } from '../base/limits.js';
import type { Helper } from '../helper/helper.js';
import type {
  Calls,
  CallOp,
  ConnectParams,
  CreateParams,
  HelloParams,
  HelloResult,
  InfoResult,
  OpenParams,
} from '../helper/protocol.js';
import { startDeadline } from './deadline.js';
import type { Deadlines } from './deadlines.js';
import { Watchdog } from './watchdog.js';

/** What every helper of one disk is told. */
export interface SessionParams {
  hello: HelloParams;
  connect: ConnectParams;
  open: OpenParams;
  /** What is created before the first open, and whether that is done. */
  create?: { readonly params: CreateParams; done: boolean };
}

/** What an open disk turned out to be. */
export interface SessionFacts {
  hello: HelloResult;
  info: InfoResult;
  transportMode: string;
}

/** Makes the calls of one helper, each with the deadline of the moment. */
export class Opener {
  readonly #params: SessionParams;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #late = new WeakSet<Helper>();

  constructor(params: SessionParams, clock: Clock, deadlines: Deadlines) {
    this.#params = params;
    this.#clock = clock;
    this.#deadlines = deadlines;
  }

  /** Whether a deadline of ours has killed `helper`. */
  wasLate(helper: Helper): boolean {
    return this.#late.has(helper);
  }

  /**
   * Loads and initialises the library.
   * Rejects with HelperCallError if the library or helper refuses, VddkNbdError if it ends first.
   */
  hello(helper: Helper): Promise<HelloResult> {
    return this.#call(helper, 'HELLO', this.#params.hello, this.#deadlines.startMs);
  }

  /** Opens the disk in a helper that has said hello; rejects like hello(). */
  async open(helper: Helper, hello: HelloResult): Promise<SessionFacts> {
    const { connect, create, open } = this.#params;
    await this.#call(helper, 'CONNECT', connect);
    if (create?.done === false) {
      await this.#call(helper, 'CREATE', create.params, CREATE_TIMEOUT_MS);
      create.done = true;
    }
    const { transportMode } = await this.#call(helper, 'OPEN', open);
    const info = await this.#call(helper, 'INFO', {});
    return { hello, info, transportMode };
  }

  /** A call with a deadline; a helper that is late is killed, which rejects the call. */
  async #call<Op extends CallOp>(
    helper: Helper,
    op: Op,
    params: Calls[Op]['params'],
    timeoutMs = this.#deadlines.callMs,
  ): Promise<Calls[Op]['result']> {
    const timer = startDeadline(this.#clock, timeoutMs, () => {
      this.#late.add(helper);
      helper.kill(`gave no answer to ${op} within ${timeoutMs / 1000} s`);
    });
    // A process that is stopped is noticed sooner.
    const watchdog = new Watchdog({
      helper,
      clock: this.#clock,
      deadlines: this.#deadlines,
      late: (reason) => {
        this.#late.add(helper);
        helper.kill(reason);
      },
    });
    try {
      return await helper.call(op, params);
    } finally {
      timer.cancel();
      watchdog.cancel();
    }
  }
}
