// Seeded chance: everything that a simulation leaves to luck comes from one of these, so that a
// seed repeats a run exactly. The rule: nobody in test/sim calls Math.random() or looks at a clock.

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number in [0, 1). */
  next(): number {
    // mulberry32: 32 bits of state, every seed a good one.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** A number in [low, high). */
  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** How often something of this mean happens before it does not: 1 or more. */
  until(mean: number): number {
    if (mean === Infinity) return Infinity;
    return 1 + Math.floor(Math.log(1 - this.next()) / Math.log(1 - 1 / Math.max(mean, 1.0001)));
  }

  /** Another source, so that one part of a run does not move when another draws more. */
  fork(): Random {
    return new Random(Math.floor(this.next() * 2 ** 32));
  }
}
