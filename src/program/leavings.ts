// What must not stay behind: sockets, pidfiles, the private directory. Each is registered when it
// is made; all are removed when the process ends in any way that it can still notice, and announced
// to the janitor for the ways that it can't.
// The rule: removal is synchronous and never throws, because it runs in the 'exit' handler.
import {
  lstatSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { messageOf, VddkNbdError } from '../base/errors.js';
import type { Janitor } from './janitor.js';

/** @throws VddkNbdError SYSTEM if there is no place for it */
function makeDirectory(): string {
  try {
    return mkdtempSync(path.resolve(tmpdir(), 'vddk-nbd-'));
  } catch (error) {
    throw new VddkNbdError('SYSTEM', `no temporary directory can be made: ${messageOf(error)}`, {
      hint: 'Set TMPDIR to a directory that can be written.',
      cause: error,
    });
  }
}

/** The list of things to remove, last made first. */
export class Leavings {
  readonly #janitor: Janitor | undefined;
  readonly #removals: (() => void)[] = [];
  #directory: string | undefined;

  /** Without `janitor`, what is registered stays behind if this process is killed. */
  constructor(janitor?: Janitor) {
    this.#janitor = janitor;
  }

  /** `remove` runs once, in removeAll(); `file`, which exists, is announced to the janitor. */
  add(remove: () => void, file?: string): void {
    this.#removals.push(remove);
    if (file !== undefined) this.#janitor?.announce(file);
  }

  /** A directory that only we can enter: one for this process, made when it is first asked for. */
  directory(): string {
    if (this.#directory !== undefined) return this.#directory;
    const directory = makeDirectory();
    this.#directory = directory;
    this.add(() => {
      rmSync(directory, { recursive: true });
    }, directory);
    return directory;
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

function unlinkQuietly(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // It was never made.
  }
}

/**
 * Writes our process id to `file`, complete at the moment it appears, and has it removed if it is
 * still ours at the end. What is no regular file (/dev/null) is not replaced.
 * @throws VddkNbdError START if it can't be written
 */
export function writePidfile(file: string, leavings: Leavings): void {
  const text = `${process.pid}\n`;
  const draft = `${file}.${process.pid}`;
  try {
    if (lstatSync(file, { throwIfNoEntry: false })?.isFile() === false) {
      throw new Error(`${file} is not a regular file`);
    }
    writeFileSync(draft, text);
    renameSync(draft, file);
  } catch (error) {
    unlinkQuietly(draft);
    throw new VddkNbdError('START', `the pidfile can't be written: ${messageOf(error)}`, {
      hint: 'Check the path given with --pidfile.',
      cause: error,
    });
  }
  leavings.add(() => {
    if (readFileSync(file, 'utf8') === text) rmSync(file);
  }, file);
}
