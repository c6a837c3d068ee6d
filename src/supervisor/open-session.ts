// Brings one helper to an open disk: HELLO, which a spare helper has behind it already, then
// CONNECT, OPEN, INFO, each with a deadline. The supervisor calls it for every helper.
import type { Clock } from '../base/clock.js';
import { CREATE_TIMEOUT_MS } from '../base/limits.js';
import { type Helper, HelperCallError } from '../helper/helper.js';
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
import type { ErrorPolicy } from './error-policy.js';
import type { Logins } from './logins.js';
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

export interface OpenerOptions {
  params: SessionParams;
  clock: Clock;
  deadlines: Deadlines;
  errors: ErrorPolicy;
  /** Told when the host has let us in. */
  logins: Logins;
}

/** Makes the calls of one helper, each with the deadline of the moment. */
export class Opener {
  readonly #options: OpenerOptions;
  readonly #late = new WeakSet<Helper>();

  constructor(options: OpenerOptions) {
    this.#options = options;
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
    const { deadlines, params } = this.#options;
    return this.#call(helper, 'HELLO', params.hello, deadlines.startMs);
  }

  /** Opens the disk in a helper that has said hello; rejects like hello(). */
  async open(helper: Helper, hello: HelloResult): Promise<SessionFacts> {
    const { connect, create, open } = this.#options.params;
    await this.#call(helper, 'CONNECT', connect);
    if (create?.done === false) {
      await this.#call(helper, 'CREATE', create.params, CREATE_TIMEOUT_MS);
      create.done = true;
    }
    const { transportMode } = await this.#logIn(helper, open);
    const info = await this.#call(helper, 'INFO', {});
    return { hello, info, transportMode };
  }

  /** OPEN: it is there that the library logs in, and what fails later is no matter of the login. */
  async #logIn(helper: Helper, params: OpenParams): Promise<Calls['OPEN']['result']> {
    const { errors, logins } = this.#options;
    try {
      const opened = await this.#call(helper, 'OPEN', params);
      logins.accepted();
      return opened;
    } catch (thrown) {
      if (isRefusal(thrown) && errors.isBehindLogin(thrown.vixError)) logins.accepted();
      throw thrown;
    }
  }

  /** A call with a deadline; a helper that is late is killed, which rejects the call. */
  async #call<Op extends CallOp>(
    helper: Helper,
    op: Op,
    params: Calls[Op]['params'],
    timeoutMs = this.#options.deadlines.callMs,
  ): Promise<Calls[Op]['result']> {
    const { clock, deadlines } = this.#options;
    const timer = startDeadline(clock, timeoutMs, () => {
      this.#late.add(helper);
      helper.kill(`gave no answer to ${op} within ${timeoutMs / 1000} s`);
    });
    // A process that is stopped is noticed sooner.
    const watchdog = new Watchdog({
      helper,
      clock,
      deadlines,
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

/** Whether the library has refused, and not the helper. */
export function isRefusal(thrown: unknown): thrown is HelperCallError {
  return thrown instanceof HelperCallError && thrown.helperError === undefined;
}
