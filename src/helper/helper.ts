// One living helper as the supervisor sees it. src/helper/process.ts and client.ts make the real
// one; simulations make their own. The rule: after kill() no record of this helper is ever
// completed by it, and `ended` resolves only when the process is gone.
import type { Calls, CallOp, HelperEvent, IoOpNumber } from './protocol.js';

/** One I/O request in the helper. A record that its owner preallocates and uses again. */
export interface HelperIo {
  readonly op: IoOpNumber;
  readonly startSector: number;
  readonly nrSectors: number;
  /** Byte offset in the read arena (READ) or write arena (WRITE); 0 for FLUSH. */
  readonly arenaOffset: number;
  /** The helper's answer; vixError 0 is success. A number unless it exceeds 2^53. */
  done(vixError: number | bigint): void;
}

/** How a helper ended. */
export interface HelperEnd {
  /** Why, in a few words: the verdict's reason, or what the process did on its own. */
  reason: string;
  exitCode: number | undefined;
  signal: string | undefined;
}

/** What a helper reports besides answers. */
export interface HelperListener {
  event(event: HelperEvent): void;
}

/** The library or the helper refused a call. */
export class HelperCallError extends Error {
  readonly call: string;
  readonly vixError: number | bigint;
  /**
   * Set when the helper itself, not the library, is the cause: load, symbol, state, parameter,
   * arena, fence.
   */
  readonly helperError: string | undefined;

  constructor(fields: {
    call: string;
    vixError: number | bigint;
    text: string;
    helperError: string | undefined;
  }) {
    super(fields.text);
    this.name = 'HelperCallError';
    this.call = fields.call;
    this.vixError = fields.vixError;
    this.helperError = fields.helperError;
  }
}

/** A living helper. */
export interface Helper {
  readonly pid: number | undefined;
  /**
   * Rejects with HelperCallError if refused, with VddkNbdError (HELPER) if the helper ends first.
   */
  call<Op extends CallOp>(op: Op, params: Calls[Op]['params']): Promise<Calls[Op]['result']>;
  /** Queues `io`; everything queued in one turn of the event loop leaves in one write. */
  io(io: HelperIo): void;
  /** The verdict: SIGKILL, frames dropped from now on. Idempotent; the first reason counts. */
  kill(reason: string): void;
  /** The end of the control stream, after CLOSE: the helper exits on its own. */
  endInput(): void;
  /**
   * Requests without an answer that may have reached the helper, in order of io(); each is handed
   * out once. For replay.
   */
  takeInFlight(): HelperIo[];
  /** Those that came when nothing could reach it any more: it can't have died of them. */
  takeUnsent(): HelperIo[];
  /** Resolves when the process is gone and its temp directory is removed. Never rejects. */
  readonly ended: Promise<HelperEnd>;
}
