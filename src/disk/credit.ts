// Whether something that costs a little each time, and may pay later, is worth doing: it is done on
// credit, which what it brings in makes up for. Without credit it is tried now and then, so that it
// is found out when it has become worth it. Pure.

export interface CreditTerms {
  /** What it has at first, and at most. */
  max: number;
  /** What one doing costs. */
  cost: number;
  /** What it gains whenever it has paid. */
  gain: number;
  /** Without credit, one in so many is done all the same. */
  trial: number;
}

export class Credit {
  readonly #terms: CreditTerms;
  #left: number;
  #refusals = 0;

  constructor(terms: CreditTerms) {
    this.#terms = terms;
    this.#left = terms.max;
  }

  /** Whether to do it now; if so, it is paid for. */
  spend(): boolean {
    const { cost, trial } = this.#terms;
    if (this.#left >= cost) {
      this.#left -= cost;
      return true;
    }
    if (++this.#refusals < trial) return false;
    this.#refusals = 0;
    return true;
  }

  /** It has paid. */
  gained(): void {
    this.#left = Math.min(this.#terms.max, this.#left + this.#terms.gain);
  }
}
