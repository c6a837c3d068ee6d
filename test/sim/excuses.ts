// Which requests of a run may fail, and what may be lost: as little as the design allows, and only
// after the log has said so. simulation.ts asks for each error and at the end.
// The rule: without poison, frenzy or an outage nothing is excused.
import type { Model } from './model.js';
import type { Plan } from './plan.js';
import type { SimRequest } from './sim-client.js';
import { SECTOR_BYTES } from './host.js';

export class Excuses {
  readonly #plan: Plan;
  readonly #model: Model;
  /** What the log has said: requests that were convicted, among others. */
  convicted = 0;
  #hasLost = false;
  #hasGivenUp = false;
  /** Bytes of writes that touched the poisoned sector: they may be lost whole. */
  readonly #tainted: [startBytes: number, endBytes: number][] = [];

  constructor(plan: Plan, model: Model) {
    this.#plan = plan;
    this.#model = model;
    if (plan.poison !== undefined) this.#taint(plan.poison * SECTOR_BYTES, SECTOR_BYTES);
  }

  /** A line of the log. */
  hears(line: string): void {
    if (line.includes(': the library dies of it: ')) this.convicted++;
    if (line.includes(': lost: ') || line.includes('every flush kills')) this.#hasLost = true;
    if (line.includes('; the next one starts a new attempt')) this.#hasGivenUp = true;
  }

  /** A write or zeroes begin. */
  begins({ offsetBytes, lengthBytes }: SimRequest): void {
    if (this.#touchesPoison(offsetBytes, offsetBytes + lengthBytes)) {
      this.#taint(offsetBytes, lengthBytes);
    }
  }

  mayFail(request: SimRequest): boolean {
    const { kind } = this.#plan;
    if (kind === 'outage') return this.#hasGivenUp;
    if (kind === 'frantic') return this.convicted > 0 || this.#hasLost;
    if (kind !== 'poison') return false;
    if ((request.op === 'flush' || request.fua) && this.#hasLost) return true;
    const endBytes = request.offsetBytes + request.lengthBytes;
    // A read, and the edges that an unaligned write reads, may need what is lost.
    return this.#tainted.some(
      ([start, end]) => request.offsetBytes < end + SECTOR_BYTES && start - SECTOR_BYTES < endBytes,
    );
  }

  get isSomethingLost(): boolean {
    const { kind } = this.#plan;
    // In a frenzy even the last flush may be convicted.
    if (kind === 'frantic') return this.convicted > 0 || this.#hasLost;
    return kind === 'poison' && this.#hasLost;
  }

  /** Whether the final disk may have anything there. */
  isExcused(cell: number): boolean {
    if (!this.isSomethingLost) return false;
    if (this.#plan.kind === 'frantic') return true;
    const startBytes = this.#model.offsetOf(cell);
    const endBytes = this.#model.offsetOf(cell + 1);
    return this.#tainted.some(([start, end]) => startBytes < end && start < endBytes);
  }

  #touchesPoison(startBytes: number, endBytes: number): boolean {
    const { poison } = this.#plan;
    if (poison === undefined) return false;
    return startBytes < (poison + 1) * SECTOR_BYTES && poison * SECTOR_BYTES < endBytes;
  }

  #taint(startBytes: number, lengthBytes: number): void {
    const first = Math.floor(startBytes / SECTOR_BYTES) * SECTOR_BYTES;
    const end = Math.ceil((startBytes + lengthBytes) / SECTOR_BYTES) * SECTOR_BYTES;
    if (this.#tainted.some(([start, last]) => start <= first && end <= last)) return;
    this.#tainted.push([first, end]);
  }
}
