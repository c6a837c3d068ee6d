// When to start the next helper, and when to stop hoping. Pure: deaths and times in, delays out.
// The rule: only completed I/O resets it, never a successful open; a library that opens and then
// dies on the first read must not be restarted in a tight loop.
import {
  ANOTHER_DISK_PAUSE_MS,
  RECOVERY_TIMEOUT_MS,
  RESTART_BACKOFF_MAX_MS,
  RESTART_BACKOFF_MIN_MS,
} from '../base/limits.js';

/** The history of one disk's helpers since the last completed I/O. */
export class RestartPolicy {
  readonly #random: () => number;
  readonly #recoveryTimeoutMs: number;
  #failures = 0;
  #failingSinceMs: number | undefined;
  #anotherDiskMs = -Infinity;

  /** `random` gives numbers in [0, 1), for the jitter. */
  constructor(random: () => number, recoveryTimeoutMs: number = RECOVERY_TIMEOUT_MS) {
    this.#random = random;
    this.#recoveryTimeoutMs = recoveryTimeoutMs;
  }

  /** Whether helpers have died since the last completed I/O. */
  get failing(): boolean {
    return this.#failingSinceMs !== undefined;
  }

  /** A request came when none was waiting: nobody has waited for the time before it. */
  awaited(nowMs: number): void {
    if (this.failing) this.#failingSinceMs = nowMs;
  }

  /** An I/O was completed: the next death is a first one again. */
  progressed(): void {
    this.#failures = 0;
    this.#failingSinceMs = undefined;
  }

  /**
   * A helper died or could not be opened.
   * Returns the delay before the next one, or undefined: the time for recovery is over.
   */
  failed(nowMs: number): number | undefined {
    this.#failingSinceMs ??= nowMs;
    return this.remainingMs(nowMs) <= 0 ? undefined : this.#nextDelayMs();
  }

  /** How much of the time for recovery is left; all of it while nothing fails. */
  remainingMs(nowMs: number): number {
    return this.#recoveryTimeoutMs - (nowMs - (this.#failingSinceMs ?? nowMs));
  }

  /** Another disk was found in the place of ours. */
  foundAnotherDisk(nowMs: number): void {
    this.#anotherDiskMs = nowMs;
  }

  /** After giving up: whether a new request is worth a new attempt now. */
  mayTryAgain(nowMs: number): boolean {
    return nowMs - this.#anotherDiskMs >= ANOTHER_DISK_PAUSE_MS;
  }

  /** A new attempt after giving up: its time for recovery begins now. */
  renewed(): void {
    this.#failures = 0;
    this.#failingSinceMs = undefined;
  }

  #nextDelayMs(): number {
    const failures = this.#failures++;
    if (failures === 0) return 0;
    const doubled = RESTART_BACKOFF_MIN_MS * 2 ** Math.min(failures - 1, 16);
    // Half fixed, half random: helpers of several disks that died together come back apart.
    return Math.min(doubled, RESTART_BACKOFF_MAX_MS) * (0.5 + this.#random() / 2);
  }
}
