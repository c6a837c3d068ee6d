// The I/O requests of one helper by id. Ids grow and are never used twice, not even with another
// helper; they need not be dense. So the table is an array indexed by the low bits of the id, and
// an id whose place is taken by an old request is skipped: no hashing, no allocation per request.
import { invariant } from '../base/errors.js';
import type { HelperIo } from './helper.js';

const CAPACITY_START = 256;

/** Where ids come from: one object for all helpers of the program. */
export class Ids {
  #next: number;

  constructor(first = 1) {
    this.#next = first;
  }

  /** An id that nobody has had. */
  take(): number {
    return this.#next++;
  }
}

/** What was sent to one helper and is not answered. */
export class InFlight {
  readonly #ids: Ids;
  /** Both are indexed by id modulo the capacity, a power of two. */
  #requests: (HelperIo | undefined)[];
  #requestIds: Float64Array;
  #mask = CAPACITY_START - 1;
  #count = 0;

  constructor(ids: Ids) {
    this.#ids = ids;
    this.#requests = new Array<HelperIo | undefined>(CAPACITY_START).fill(undefined);
    this.#requestIds = new Float64Array(CAPACITY_START);
  }

  get count(): number {
    return this.#count;
  }

  /** Adds `io` under a new id. */
  add(io: HelperIo): number {
    if (this.#count > this.#mask >>> 1) this.#grow();
    let id = this.#ids.take();
    // `&` takes the low bits of integers up to 2^53.
    while (this.#requests[id & this.#mask] !== undefined) id = this.#ids.take();
    this.#put(id, io);
    this.#count++;
    return id;
  }

  /** Removes and returns the request with `id`; undefined if there is none. */
  take(id: number): HelperIo | undefined {
    const place = id & this.#mask;
    const io = this.#requests[place];
    if (io === undefined || this.#requestIds[place] !== id) return undefined;
    this.#requests[place] = undefined;
    this.#count--;
    return io;
  }

  /** Removes and returns all, in order of add(). */
  takeAll(): HelperIo[] {
    const found: { id: number; io: HelperIo }[] = [];
    this.#requests.forEach((io, place) => {
      if (io !== undefined) found.push({ id: this.#requestIds[place] ?? 0, io });
    });
    this.#requests.fill(undefined);
    this.#count = 0;
    return found.sort((a, b) => a.id - b.id).map(({ io }) => io);
  }

  #put(id: number, io: HelperIo): void {
    const place = id & this.#mask;
    invariant(this.#requests[place] === undefined, 'a place of the table is free');
    this.#requests[place] = io;
    this.#requestIds[place] = id;
  }

  /** What is distinct modulo the old capacity is distinct modulo twice of it. */
  #grow(): void {
    const requests = this.#requests;
    const requestIds = this.#requestIds;
    const capacity = requests.length * 2;
    this.#requests = new Array<HelperIo | undefined>(capacity).fill(undefined);
    this.#requestIds = new Float64Array(capacity);
    this.#mask = capacity - 1;
    requests.forEach((io, place) => {
      if (io !== undefined) this.#put(requestIds[place] ?? 0, io);
    });
  }
}
