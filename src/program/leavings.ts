// What must not stay behind: sockets, pidfiles, private directories. Each is registered when it is
// made; all are removed when the process ends in any way that it can still notice.
// The rule: removal is synchronous and never throws, because it runs in the 'exit' handler.
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { messageOf, VddkNbdError } from '../base/errors.js';

/** The list of things to remove, last made first. */
export class Leavings {
  readonly #removals: (() => void)[] = [];

  /** `remove` runs once, in removeAll(). */
  add(remove: () => void): void {
    this.#removals.push(remove);
  }

  /** Removes everything registered so far. Idempotent. */
  removeAll(): void {
    for (let remove = this.#removals.pop(); remove; remove = this.#removals.pop()) {
      try {
        remove();
      } catch {
        // Somebody else removed it, or took away our right to: nothing more can be done at exit.
      }
    }
  }
}

/** A new directory that only we can enter, with a name for a socket in it. */
export function privateSocketPath(leavings: Leavings): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'vddk-nbd-'));
  leavings.add(() => {
    rmSync(directory, { recursive: true });
  });
  return path.join(directory, 'socket');
}

/**
 * Writes our process id to `file`, complete at the moment it appears, and has it removed if it is
 * still ours at the end.
 * @throws VddkNbdError START if it can't be written
 */
export function writePidfile(file: string, leavings: Leavings): void {
  const text = `${process.pid}\n`;
  const draft = `${file}.${process.pid}`;
  try {
    writeFileSync(draft, text);
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw new VddkNbdError('START', `the pidfile can't be written: ${messageOf(error)}`, {
      hint: 'Check the directory given with --pidfile.',
      cause: error,
    });
  }
  leavings.add(() => {
    if (readFileSync(file, 'utf8') === text) rmSync(file);
  });
}
