// Time as an interface, so that policies and the supervisor are tested without waiting.
// Everybody who waits or measures takes a Clock; nobody calls Date.now() or setTimeout() directly.

/** A running timer; cancel() is idempotent. */
export interface Timer {
  cancel(): void;
}

/** Monotonic milliseconds and one-shot timers. */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. */
  nowMs(): number;
  /** Calls `fire` once after at least `delayMs`. */
  after(delayMs: number, fire: () => void): Timer;
}

/** The clock of the machine. Its timers do not keep the process alive on their own. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, fire) {
    const handle = setTimeout(fire, delayMs);
    handle.unref();
    return {
      cancel: () => {
        clearTimeout(handle);
      },
    };
  },
};
