// What is to be done by the helpers of one disk, while no helper does it: requests that wait, and
// suspects that will run alone. Kept over helpers; the session of the present helper takes from it.
// The rule: what was in flight at a death comes before what is new, in its old order.
import type { Clock } from '../base/clock.js';
import { ERROR_REOPEN_INTERVAL_MS, ERROR_REOPENS_MAX } from '../base/limits.js';
import { Quarantine } from './quarantine.js';
import type { SupervisedIo } from './supervised-io.js';
import { type DeathFacts, Suspicion } from './suspects.js';

export class Backlog {
  readonly #clock: Clock;
  /** Bounded by who makes requests. */
  #waiting: SupervisedIo[] = [];
  /** Suspects to be run alone, the most suspicious first. */
  #lone: SupervisedIo[] = [];
  /** Requests that fail however often the disk is opened anew, and when that was seen. */
  readonly #incurable: Quarantine;
  #vainReopensMs: number[] = [];
  /** A sector that was read or written lately: a control read finds the library at work there. */
  goodSector: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#incurable = new Quarantine(clock);
  }

  get waitingCount(): number {
    return this.#waiting.length + this.#lone.length;
  }

  get lone(): readonly SupervisedIo[] {
    return this.#lone;
  }

  /** `io` is for the next session, or for this one when it takes requests again. */
  wait(io: SupervisedIo): void {
    this.#waiting.push(io);
  }

  /** `io` may only run alone. */
  waitAlone(io: SupervisedIo): void {
    this.#lone.push(io);
  }

  /** Everything that waits for its turn among others. */
  takeWaiting(): SupervisedIo[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }

  /** The next suspect to be run alone. */
  takeLone(): SupervisedIo | undefined {
    return this.#lone.shift();
  }

  /** Everything, to be failed. */
  takeAll(): SupervisedIo[] {
    const all = this.#lone.concat(this.#waiting);
    this.#lone = [];
    this.#waiting = [];
    return all;
  }

  /**
   * A helper has ended. `blame` is undefined if it was ended for something that was not in flight.
   * Returns the convicted.
   */
  died(
    inFlight: readonly SupervisedIo[],
    queued: readonly SupervisedIo[],
    blame: Omit<DeathFacts, 'atSector'> | undefined,
  ): SupervisedIo[] {
    const convicted: SupervisedIo[] = [];
    const together: SupervisedIo[] = [];
    for (const io of inFlight) {
      if (blame !== undefined) {
        io.suspicion ??= new Suspicion();
        io.suspicion.died({ ...blame, atSector: io.lastSector });
      }
      if (io.suspicion?.isConvicted) convicted.push(io);
      else if (io.suspicion?.runsAlone) this.#lone.push(io);
      else together.push(io);
    }
    this.#waiting = together.concat(queued, this.#waiting);
    this.#lone.sort((a, b) => (b.suspicion?.weight ?? 0) - (a.suspicion?.weight ?? 0));
    return convicted;
  }

  /** A control read has worked in `tookMs` in a fresh helper. Returns those that it convicts. */
  controlled(tookMs: number): SupervisedIo[] {
    for (const { suspicion } of this.#lone) suspicion?.controlled(tookMs);
    const convicted = this.#lone.filter(({ suspicion }) => suspicion?.isConvicted);
    if (convicted.length > 0) {
      this.#lone = this.#lone.filter(({ suspicion }) => !suspicion?.isConvicted);
    }
    return convicted;
  }

  /** Whether the disk may be opened anew to cure an error of `io` that may pass. */
  mayReopenFor(io: SupervisedIo): boolean {
    const sinceMs = this.#clock.nowMs() - ERROR_REOPEN_INTERVAL_MS;
    this.#vainReopensMs = this.#vainReopensMs.filter((ms) => ms > sinceMs);
    if (this.#vainReopensMs.length >= ERROR_REOPENS_MAX) return false;
    return this.#incurable.judge(io) === 'unknown';
  }

  /** That did not cure it. */
  reopenedInVain(io: SupervisedIo): void {
    this.#vainReopensMs.push(this.#clock.nowMs());
    this.#incurable.add(io);
  }
}
