// The one error class for what can go wrong outside our own code. A message says what happened,
// a hint says what to do about it. Our own mistakes are invariant() failures, never this class.

/** The closed list of causes; commands and tests switch on it. */
export type ErrorCode =
  | 'USAGE' // a flag, parameter or file name that can't be right
  | 'START' // the disk can't be opened, or we can't listen
  | 'HELPER' // the helper broke the protocol, died, or could not be started
  | 'VIX' // the disk library said no
  | 'SYSTEM'; // the machine lacks something we need

/** An error with a remedy. `message` is one line without a full stop; `hint` is one sentence. */
export class VddkNbdError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** What programs may want to know of it: names and numbers, for --json. */
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string; details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'VddkNbdError';
    this.code = code;
    this.hint = options.hint;
    this.details = options.details;
  }
}

/** Message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Throws if `condition` is false: a mistake of this program, not of a user or a peer. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`internal error: ${message}`);
}
