// A real helper: the process and the client of its control stream, joined as the Helper that the
// supervisor knows. The rule: the end of the control stream is no evidence of death, but a helper
// that ended it, or broke the protocol, is killed.
import { HELPER_DRAIN_MS } from '../base/limits.js';
import { HelperClient } from './client.js';
import type { Helper, HelperEnd, HelperIo, HelperListener } from './helper.js';
import { Ids } from './in-flight.js';
import { HelperProcess, type ProcessOptions } from './process.js';
import type { CallOp, Calls } from './protocol.js';

/** The ids of this program: no two helpers ever see the same. */
const programIds = new Ids();

export interface HelperOptions extends ProcessOptions {
  listener: HelperListener;
  /** For tests: where ids begin. */
  ids?: Ids;
}

/**
 * Starts a helper. It never throws: what can't be started ends. Calls and requests may be made at
 * once; HELLO is the caller's to send.
 */
export function startHelper(options: HelperOptions): Helper {
  return new LiveHelper(options);
}

class LiveHelper implements Helper {
  readonly #client: HelperClient;
  readonly #process: HelperProcess;
  readonly ended: Promise<HelperEnd>;
  #inputEnded = false;

  constructor(options: HelperOptions) {
    this.#client = new HelperClient({
      ids: options.ids ?? programIds,
      listener: options.listener,
      onBroken: (reason) => {
        this.kill(reason);
      },
      onLost: (reason) => {
        if (this.#inputEnded) return;
        // It may be dying, and its exit tells more.
        options.clock.after(HELPER_DRAIN_MS, () => {
          this.kill(reason);
        });
      },
    });
    this.#process = new HelperProcess(options, (control) => this.#client.attach(control));
    this.ended = this.#process.ended.then((end) => {
      this.#client.close(end.reason);
      return end;
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  call<Op extends CallOp>(op: Op, params: Calls[Op]['params']): Promise<Calls[Op]['result']> {
    return this.#client.call(op, params);
  }

  io(io: HelperIo): void {
    this.#client.io(io);
  }

  kill(reason: string): void {
    this.#process.kill(reason);
    this.#client.close(reason);
  }

  endInput(): void {
    this.#inputEnded = true;
    this.#client.endInput();
  }

  takeInFlight(): HelperIo[] {
    return this.#client.takeInFlight();
  }

  takeUnsent(): HelperIo[] {
    return this.#client.takeUnsent();
  }
}
