// What the supervisor must know of the library's error codes. src/vddk/errors.ts has the table.
// Pure. The rule: the codes themselves are named there alone.

export interface ErrorPolicy {
  /** Whether a first open that failed with it is worth another attempt. */
  passes(vixError: number | bigint): boolean;
  /** Whether the host refused who we are. */
  isRejectedLogin(vixError: number | bigint): boolean;
  /** Whether an Open that fails with it was let in by the host; false where that is not certain. */
  isBehindLogin(vixError: number | bigint): boolean;
  /** What it means for a request of an open disk: see ServingErrorClass there. */
  whileServing(vixError: number | bigint): 'session' | 'memory' | 'final' | 'unclear';
}
