// Suspects: what was in flight when a helper died may be what it died of. Pure: deaths in, verdicts
// out. The supervisor keeps one record per suspect: a request, a call of ours, a journal entry.
// The rule: nothing is convicted by deaths that something else may explain. A death counts only
// while the suspect was alone in a helper that had completed another I/O; a hang, which may be an
// outage, only when a read elsewhere has worked after it.
import { ALONE_DEATHS, CONVICTION_DEATHS } from '../base/limits.js';

/** How a helper ended, as far as it concerns one suspect. */
export interface DeathFacts {
  /** Nothing else was in the helper. */
  alone: boolean;
  /** The helper had completed another I/O before. */
  controlled: boolean;
  /** The deadline that it was killed by, in milliseconds; undefined: it was not. */
  hungMs: number | undefined;
  /**
   * First sector of what was in the library: a request that runs in parts is bad only where it
   * dies again and again.
   */
  atSector: number;
}

/** The deaths that one suspect was in flight at. */
export class Suspicion {
  #deaths = 0;
  #deathsAlone = 0;
  #unprovenHangMs: number | undefined;
  #atSector: number | undefined;

  /** One that is known to be bad company, and so runs alone at once. */
  static known(): Suspicion {
    const suspicion = new Suspicion();
    suspicion.#deaths = ALONE_DEATHS;
    return suspicion;
  }

  /** The suspect was in flight when its helper ended. */
  died({ alone, controlled, hungMs, atSector }: DeathFacts): void {
    this.#deaths++;
    this.#unprovenHangMs = undefined;
    if (!alone || !controlled) return;
    if (atSector !== this.#atSector) this.#deathsAlone = 0;
    this.#atSector = atSector;
    if (hungMs === undefined) this.#deathsAlone++;
    else this.#unprovenHangMs = hungMs;
  }

  /**
   * A read elsewhere has worked in a fresh helper, in `tookMs`: if that was within the deadline
   * that the suspect missed, the hang was neither an outage nor a library that is slow everywhere.
   */
  controlled(tookMs: number): void {
    const hungMs = this.#unprovenHangMs;
    this.#unprovenHangMs = undefined;
    if (hungMs !== undefined && tookMs < hungMs) this.#deathsAlone++;
  }

  /** Whether it may run beside others. */
  get runsAlone(): boolean {
    return this.#deaths >= ALONE_DEATHS;
  }

  get isConvicted(): boolean {
    return this.#deathsAlone >= CONVICTION_DEATHS;
  }

  /** Deaths that count for its conviction. */
  get weight(): number {
    return this.#deathsAlone;
  }
}
