// How long a call into the library may take before it counts as a hang. Pure: numbers in and out.
// The rule: a library that is merely slow gets there in the end, for a kill by deadline that came
// before any completed I/O doubles all of them, and only an I/O that is fast enough brings them
// back.
import {
  CALL_TIMEOUT_FACTOR,
  QUERY_TIMEOUT_FACTOR,
  RECOVERY_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  START_TIMEOUT_MS_MIN,
} from '../base/limits.js';

/** Calls that do a request's work; all others do a session's. */
const REQUEST_CALLS: ReadonlySet<string> = new Set([
  'VixDiskLib_Read',
  'VixDiskLib_ReadAsync',
  'VixDiskLib_Write',
  'VixDiskLib_WriteAsync',
]);

/** The deadlines of one disk. */
export class Deadlines {
  readonly #requestTimeoutMs: number;
  readonly #maxMs: number;
  #factor = 1;

  /** `requestTimeoutMs` is for one read or write; no deadline grows beyond `recoveryTimeoutMs`. */
  constructor(
    requestTimeoutMs: number = REQUEST_TIMEOUT_MS,
    recoveryTimeoutMs: number = RECOVERY_TIMEOUT_MS,
  ) {
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#maxMs = Math.max(requestTimeoutMs, recoveryTimeoutMs);
  }

  /** For a read or write, in milliseconds. */
  get requestMs(): number {
    return this.#times(1);
  }

  /** For everything that opens, flushes or closes. */
  get callMs(): number {
    return this.#times(CALL_TIMEOUT_FACTOR);
  }

  /** For HELLO: however short the others are, a busy machine must be able to start a process. */
  get startMs(): number {
    return Math.max(this.callMs, START_TIMEOUT_MS_MIN);
  }

  /** callMs as asked for, whatever has doubled since. */
  get plainCallMs(): number {
    return Math.min(this.#requestTimeoutMs * CALL_TIMEOUT_FACTOR, this.#maxMs);
  }

  /** For the call of this name, `VixDiskLib_Flush` for one. */
  ofCall(name: string): number {
    if (REQUEST_CALLS.has(name)) return this.requestMs;
    if (name === 'VixDiskLib_InitEx') return this.startMs;
    return name === 'VixDiskLib_QueryAllocatedBlocks'
      ? this.#times(QUERY_TIMEOUT_FACTOR)
      : this.callMs;
  }

  /** A helper was killed by a deadline; `hadProgress`: it had completed an I/O. */
  missed(hadProgress: boolean): void {
    if (!hadProgress && this.requestMs < this.#maxMs) this.#factor *= 2;
  }

  /** Whether they are longer than asked for. */
  get areDoubled(): boolean {
    return this.#factor > 1;
  }

  /** An I/O was completed in `tookMs`: if the plain deadline is enough for that, it is back. */
  progressed(tookMs: number): void {
    if (tookMs < this.#requestTimeoutMs) this.#factor = 1;
  }

  #times(factor: number): number {
    return Math.min(this.#requestTimeoutMs * factor * this.#factor, this.#maxMs);
  }
}
