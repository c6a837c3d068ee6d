// The process that removes what we leave behind when we are killed without notice: it holds one
// end of a pipe, and the end of the pipe is our end. helper/janitor/ is its program.
// The rule: whatever is registered with Leavings and lasts longer than we do is announced here.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { checkSpawnDescriptors } from '../base/descriptors.js';
import { messageOf } from '../base/errors.js';
import type { Log } from '../base/log.js';

const JANITOR_PATH = path.resolve(import.meta.dirname, '../../build/helper/vddk-nbd-janitor');

/** A running janitor. */
export interface Janitor {
  /** `file` exists and is ours: it is to be removed if we can't do it. */
  announce(file: string): void;
}

/**
 * Starts the janitor, in a session of its own: what ends our process group must not end it.
 * It is a second line of defence, so that a failure to start it is only logged.
 */
export function startJanitor(log: Log): Janitor {
  const failed = (thrown: unknown): void => {
    log.debug(`janitor: ${messageOf(thrown)}`);
  };
  try {
    checkSpawnDescriptors();
  } catch (thrown) {
    failed(thrown);
    return { announce: () => undefined };
  }
  const child = spawn(JANITOR_PATH, [], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', failed);
  child.stdin.on('error', failed);
  child.unref();
  return {
    announce: (file) => {
      child.stdin.write(`${path.resolve(file)}\0`);
    },
  };
}
