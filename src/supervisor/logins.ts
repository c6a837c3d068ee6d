// How often a host that rejects our login is asked again: three times, ten seconds apart, then once
// a minute, when a client asks, or for disks that wait without having been rejected themselves. All
// disks of the program log in with one account, and share one of these. Pure: times in, delays out.
// The rule: no number of disks and clients locks the account.
import { LOGIN_PAUSE_MS, LOGIN_REJECTIONS_MAX, LOGIN_RETRY_MS } from '../base/limits.js';

export class Logins {
  /** Since the host has last accepted us. Those of disks that asked at the same time are one. */
  #rejections = 0;
  #countedMs = -Infinity;
  /** When somebody has last asked since the first of them. */
  #askedMs = -Infinity;

  /** How long a login must wait from now on, for who waits however long that is. */
  leftMs(nowMs: number): number {
    if (this.#rejections === 0) return 0;
    const pauseMs = this.#isPaused ? LOGIN_PAUSE_MS : LOGIN_RETRY_MS;
    return Math.max(0, this.#askedMs + pauseMs - nowMs);
  }

  /** The same for who was rejected; undefined: until a client asks after the pause. */
  delayMs(nowMs: number): number | undefined {
    const leftMs = this.leftMs(nowMs);
    return this.#isPaused && leftMs > 0 ? undefined : leftMs;
  }

  /** A disk logs in now. */
  begins(nowMs: number): void {
    if (this.#rejections > 0) this.#askedMs = nowMs;
  }

  /** The host has rejected it. Returns what delayMs() would. */
  rejected(nowMs: number): number | undefined {
    this.#askedMs = nowMs;
    if (nowMs - this.#countedMs >= LOGIN_RETRY_MS) {
      this.#countedMs = nowMs;
      this.#rejections++;
    }
    return this.delayMs(nowMs);
  }

  /** The host has accepted it. */
  accepted(): void {
    this.#rejections = 0;
    this.#countedMs = -Infinity;
  }

  /** It was asked so often that it is to have its peace. */
  get #isPaused(): boolean {
    return this.#rejections >= LOGIN_REJECTIONS_MAX;
  }
}
