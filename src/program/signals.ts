// Signals that ask the program to stop. The first one is waited for by whoever runs the server,
// the second one ends the process at once. The rule: while this exists the process does not end
// on its own, for a server may wait for nothing but timers that don't keep node alive.
import { constants } from 'node:os';
import type { Log } from '../base/log.js';

const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type StopSignal = (typeof STOPPING)[number];

/** node's longest interval; nothing is done when it fires. */
const FOREVER_MS = 2 ** 31 - 1;

/** Listens for signals from construction until dispose(). */
export class StopSignals {
  /** Resolves with the first signal. */
  readonly first: Promise<StopSignal>;
  readonly #alive = setInterval(() => undefined, FOREVER_MS);
  readonly #handler: (name: StopSignal) => void;

  /** With `reload`, SIGHUP asks for that and not for the end. */
  constructor(log: Log, reload?: () => void) {
    let resolveFirst: (name: StopSignal) => void = () => undefined;
    this.first = new Promise((resolve) => {
      resolveFirst = resolve;
    });
    let seen = false;
    this.#handler = (name) => {
      if (name === 'SIGHUP' && reload !== undefined) {
        reload();
        return;
      }
      if (seen) {
        log.error(`stopped at once by a second signal (${name}); what was not flushed may be lost`);
        // What is registered to be removed at exit is removed by process.exit().
        process.exit(1);
      }
      seen = true;
      resolveFirst(name);
    };
    for (const name of STOPPING) process.on(name, this.#handler);
  }

  dispose(): void {
    clearInterval(this.#alive);
    for (const name of STOPPING) process.off(name, this.#handler);
  }
}

/** The exit code that a shell gives to a process that `name` ended. */
export function exitCodeOf(name: NodeJS.Signals): number {
  return 128 + constants.signals[name];
}
