// Tells a dead, stopped or hanging helper from a busy one: it must answer a PING now and then, and
// the answer says for how long the library has had what. The supervisor starts one per open disk.
// The rule: a healthy helper is never killed because we were late ourselves. Silence is counted in
// ticks of ours, and a hang must show in two answers, the second asked for after the first came.
import type { Clock, Timer } from '../base/clock.js';
import {
  HEARTBEAT_INTERVAL_MS,
  HEARTBEAT_INTERVAL_MS_MIN,
  HEARTBEAT_TIMEOUT_MS,
} from '../base/limits.js';
import type { Helper } from '../helper/helper.js';
import type { PingResult } from '../helper/protocol.js';
import type { Deadlines } from './deadlines.js';

export interface WatchdogOptions {
  helper: Helper;
  clock: Clock;
  deadlines: Deadlines;
  /** The verdict, once; `reason` ends "the helper ...". */
  late: (reason: string) => void;
}

/** Something in the library that is past its deadline. */
interface Overdue {
  what: string;
  ms: number;
}

/** Pings the helper until it is late or cancel() is called. */
export class Watchdog implements Timer {
  readonly #options: WatchdogOptions;
  #timer: Timer | undefined;
  #pinging = false;
  #silentMs = 0;
  /** What the last answer showed to be past its deadline. */
  #overdue: Overdue | undefined;
  #ended = false;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#wait();
  }

  cancel(): void {
    this.#ended = true;
    this.#timer?.cancel();
  }

  /** Often enough to notice a deadline soon after it has passed. */
  get #intervalMs(): number {
    const quarterMs = this.#options.deadlines.requestMs / 4;
    return Math.max(HEARTBEAT_INTERVAL_MS_MIN, Math.min(HEARTBEAT_INTERVAL_MS, quarterMs));
  }

  #wait(): void {
    const intervalMs = this.#intervalMs;
    this.#timer = this.#options.clock.after(intervalMs, () => {
      this.#tick(intervalMs);
    });
  }

  #tick(passedMs: number): void {
    if (this.#pinging) this.#silentMs += passedMs;
    if (this.#silentMs >= HEARTBEAT_TIMEOUT_MS) {
      this.#late(`gave no heartbeat for ${HEARTBEAT_TIMEOUT_MS / 1000} s`);
      return;
    }
    if (!this.#pinging) this.#ping();
    this.#wait();
  }

  #ping(): void {
    this.#pinging = true;
    this.#options.helper.call('PING', {}).then(
      (result) => {
        this.#pinging = false;
        this.#silentMs = 0;
        if (!this.#ended) this.#judge(result);
      },
      // The helper ended; its own `ended` tells the supervisor.
      () => {
        this.cancel();
      },
    );
  }

  #judge(result: PingResult): void {
    const overdue = this.#overdueIn(result);
    const before = this.#overdue;
    this.#overdue = overdue;
    if (overdue === undefined || before?.what !== overdue.what || overdue.ms < before.ms) return;
    this.#late(`has hung in ${overdue.what} for ${(overdue.ms / 1000).toFixed(1)} s`);
  }

  #overdueIn({ inCallMs, call, oldestIoMs, oldestIo }: PingResult): Overdue | undefined {
    const { deadlines } = this.#options;
    if (oldestIoMs > deadlines.requestMs) {
      return { what: `request ${oldestIo}`, ms: oldestIoMs };
    }
    return inCallMs > deadlines.ofCall(call) ? { what: call, ms: inCallMs } : undefined;
  }

  #late(reason: string): void {
    this.cancel();
    this.#options.late(reason);
  }
}
