// How often a host that rejects our login is asked again: three times, ten seconds apart, then once
// a minute, when a client asks. All disks of the program log in with one account, and share one of
// these. Pure: times in, delays out. The rule: no number of disks and clients locks the account.
import { LOGIN_PAUSE_MS, LOGIN_REJECTIONS_MAX, LOGIN_RETRY_MS } from '../base/limits.js';

export class Logins {
  /** Since the host has last accepted us. Those of disks that asked at the same time are one. */
  #rejections = 0;
  #countedMs = -Infinity;
  /** When somebody has last asked since the first of them. */
  #askedMs = -Infinity;

  /** How long a login must wait from now on; undefined: until a client asks after the pause. */
  delayMs(nowMs: number): number | undefined {
    if (this.#rejections === 0) return 0;
    const sinceMs = nowMs - this.#askedMs;
    if (this.#rejections < LOGIN_REJECTIONS_MAX) return Math.max(0, LOGIN_RETRY_MS - sinceMs);
    return sinceMs < LOGIN_PAUSE_MS ? undefined : 0;
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
}
