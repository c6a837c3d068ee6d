// A Helper in this process, moved by the test step by step: nothing is answered until the test
// says so. It keeps no bytes; tests of the supervisor look at what it was asked.
import type { Clock, Timer } from '../../src/base/clock.js';
import { VddkNbdError } from '../../src/base/errors.js';
import {
  type Helper,
  HelperCallError,
  type HelperEnd,
  type HelperIo,
  type HelperListener,
} from '../../src/helper/helper.js';
import type { CallOp, Calls, InfoResult } from '../../src/helper/protocol.js';

export class ManualClock implements Clock {
  #nowMs = 0;
  #timers: { atMs: number; fire: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fire: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, fire };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Lets `ms` pass: fires what is due, in order, with all promises settled in between. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const due = this.#timers
        .filter((timer) => timer.atMs <= endMs)
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.fire();
      await settle();
    }
    this.#nowMs = endMs;
  }

  get pendingTimers(): number {
    return this.#timers.length;
  }
}

/** Until everything that promises can do without I/O is done. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export interface SimOptions {
  info?: Partial<InfoResult>;
  functions?: string[];
  /** Calls that are refused with this VixError. */
  refuse?: Partial<Record<CallOp, number>>;
  /** What QueryAllocatedBlocks answers. */
  blocks?: number[];
  /** Calls that are never answered. */
  ignore?: CallOp[];
  /** It is slow to go: kill() only marks it, until the test has it die(). */
  lingers?: boolean;
}

export class SimHelper implements Helper {
  readonly pid = 4711;
  readonly calls: CallOp[] = [];
  /** Everything io() was given, in order. */
  readonly seen: HelperIo[] = [];
  inFlight: HelperIo[] = [];
  readonly #unsent: HelperIo[] = [];
  readonly ended: Promise<HelperEnd>;
  killedFor: string | undefined;
  inputEnded = false;
  /** What a PING is answered with. */
  pong: Calls['PING']['result'] = { inCallMs: 0, call: '', oldestIoMs: 0, oldestIo: 0 };
  readonly listener: HelperListener;
  readonly #options: SimOptions;
  #resolveEnded!: (end: HelperEnd) => void;
  readonly #rejects = new Set<(error: Error) => void>();
  #gone = false;

  constructor(listener: HelperListener, options: SimOptions = {}) {
    this.listener = listener;
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  call<Op extends CallOp>(op: Op): Promise<Calls[Op]['result']> {
    this.calls.push(op);
    const vixError = this.#options.refuse?.[op];
    if (vixError !== undefined) {
      const fields = { call: `VixDiskLib_${op}`, text: 'refused', helperError: undefined };
      return Promise.reject(new HelperCallError({ ...fields, vixError }));
    }
    const results: { [Any in CallOp]: Calls[Any]['result'] } = {
      HELLO: {
        library: '/sim',
        libraryVersion: 8,
        functions: this.#options.functions ?? ['Flush'],
        transportModes: 'file',
      },
      CONNECT: {},
      OPEN: { transportMode: 'file' },
      INFO: {
        capacitySectors: 2048,
        logicalSectorBytes: 512,
        physicalSectorBytes: 512,
        adapterType: 2,
        numLinks: 1,
        uuid: undefined,
        parentFileNameHint: undefined,
        ...this.#options.info,
      },
      ALLOCATED_BLOCKS: { blocks: this.#options.blocks ?? [] },
      CLOSE: {},
      CREATE: {},
      PING: this.pong,
    };
    return new Promise((resolve, reject) => {
      this.#rejects.add(reject);
      if (this.#gone) reject(new VddkNbdError('HELPER', 'the helper ended'));
      else if (!this.#options.ignore?.includes(op)) resolve(results[op]);
    });
  }

  io(io: HelperIo): void {
    if (this.#gone) {
      this.#unsent.push(io);
      return;
    }
    this.seen.push(io);
    this.inFlight.push(io);
  }

  /** Whether it can still answer: nothing comes from a helper that was killed. */
  get isAlive(): boolean {
    return !this.#gone;
  }

  /** Answers the oldest request, or the one at `index`. */
  answer(vixError: number | bigint = 0, index = 0): void {
    if (this.#gone) throw new Error('the helper is gone');
    const [io] = this.inFlight.splice(index, 1);
    if (!io) throw new Error('nothing is in flight');
    io.done(vixError);
  }

  kill(reason: string): void {
    this.killedFor ??= reason;
    if (this.#options.lingers) return;
    this.die(this.killedFor, 'SIGKILL');
  }

  /** The process ends on its own. */
  die(reason: string, signal: string | undefined = 'SIGSEGV', exitCode?: number): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const reject of this.#rejects) reject(new VddkNbdError('HELPER', reason));
    this.#resolveEnded({ reason, exitCode, signal: exitCode === undefined ? signal : undefined });
  }

  endInput(): void {
    this.inputEnded = true;
    this.die('end of input', undefined);
  }

  takeInFlight(): HelperIo[] {
    return this.inFlight.splice(0);
  }

  takeUnsent(): HelperIo[] {
    return this.#unsent.splice(0);
  }
}
