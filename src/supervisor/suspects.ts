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
  /** It was killed by a deadline. */
  hung: boolean;
}

/** The deaths that one suspect was in flight at. */
export class Suspicion {
  #deaths = 0;
  #deathsAlone = 0;
  #unprovenHang = false;

  /** One that is known to be bad company, and so runs alone at once. */
  static known(): Suspicion {
    const suspicion = new Suspicion();
    suspicion.#deaths = ALONE_DEATHS;
    return suspicion;
  }

  /** The suspect was in flight when its helper ended. */
  died({ alone, controlled, hung }: DeathFacts): void {
    this.#deaths++;
    this.#unprovenHang = false;
    if (!alone || !controlled) return;
    if (hung) this.#unprovenHang = true;
    else this.#deathsAlone++;
  }

  /** A read elsewhere has worked in a fresh helper: the hang was no outage. */
  controlled(): void {
    if (!this.#unprovenHang) return;
    this.#unprovenHang = false;
    this.#deathsAlone++;
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
