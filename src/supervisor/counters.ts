// How often helpers of one disk have died, and what that cost. For the log, at each death and at
// the end. Pure.

/** Why a helper ended: on its own, by a deadline, or by us, for an error that it answered. */
export type DeathCause = 'crash' | 'hang' | 'error';

export class Counters {
  readonly #deathsBy: Record<DeathCause, number> = { crash: 0, hang: 0, error: 0 };
  #replays = 0;
  #longestMs = 0;
  /** Requests that failed because the library dies of them. */
  convicted = 0;

  /** Helpers that ended without being asked to. */
  get deaths(): number {
    const { crash, hang, error } = this.#deathsBy;
    return crash + hang + error;
  }

  died(cause: DeathCause): void {
    this.#deathsBy[cause]++;
  }

  /** A helper was replaced in `tookMs`, and got `replays` requests that were in flight. */
  replaced(tookMs: number, replays: number): void {
    this.#replays += replays;
    this.#longestMs = Math.max(this.#longestMs, tookMs);
  }

  /** One line about all of it; undefined if no helper has died. */
  summary(): string | undefined {
    if (this.deaths === 0) return undefined;
    const { crash, hang, error } = this.#deathsBy;
    const convicted = this.convicted === 0 ? '' : `, ${this.convicted} requests convicted`;
    return (
      `${this.deaths} helpers replaced (${crash} crashed, ${hang} hung, ${error} failed), ` +
      `${this.#replays} requests replayed, longest replacement ${this.#longestMs} ms${convicted}`
    );
  }
}
