// Opens one disk: chooses the library, starts the helper over it, and puts what can go wrong into
// a user's words. The rule: an error of this file names a remedy.
import path from 'node:path';
import { systemClock } from '../base/clock.js';
import { VddkNbdError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import {
  type HelperDisk,
  openHelperDisk,
  VIXDISKLIB_FLAG_OPEN_READ_ONLY,
} from '../disk/helper-disk.js';
import { HelperCallError } from '../helper/helper.js';
import { startHelper } from '../helper/live-helper.js';
import { OpenFailure } from '../supervisor/first-open.js';
import { explainRefusal, vixErrorPolicy } from '../vddk/errors.js';
import { findLibraries, type Libraries } from '../vddk/libraries.js';
import type { DiskParameters } from '../vddk/parameters.js';
import { checkDiskFile, identityOfFile } from './check-file.js';

/** Top of the built-in engine's distribution, laid out as VDDK's is. */
const BUILTIN_DIR = path.resolve(import.meta.dirname, '../../build/builtin');

export interface OpenDiskOptions extends DiskParameters {
  file: string;
  readOnly: boolean;
  /** Both arenas together. */
  memoryBytes: number;
  /** Where helpers make their temporary directories. */
  temporaryDir: string;
  /** Longest time that a clean stop may take. */
  shutdownTimeoutMs: number;
  /** Longest time of a read or write in the library before its helper is replaced. */
  requestTimeoutMs: number;
  /** Longest time without a completed I/O before requests fail. */
  recoveryTimeoutMs: number;
  /** Whether a spare helper stands by. */
  spare: boolean;
  log: Log;
}

/** An open disk, and with what it was opened, in words. */
export interface OpenedDisk {
  disk: HelperDisk;
  engine: string;
}

/** The error for a user of a first open that failed. */
export function explainOpenFailure(thrown: unknown): unknown {
  if (!(thrown instanceof OpenFailure)) return thrown;
  const { cause, libraryLines } = thrown;
  if (cause instanceof HelperCallError) return explainRefusal(cause, libraryLines.at(-1));
  if (!(cause instanceof VddkNbdError)) return thrown;
  const said = libraryLines.length === 0 ? '' : `: ${libraryLines.join('; ')}`;
  return new VddkNbdError(cause.code, `${cause.message}${said}`, {
    hint: cause.hint ?? 'Run again with -v to see what the library says.',
    cause,
  });
}

function describeEngine(libraries: Libraries, searched: boolean, library: string): string {
  if (libraries.engine === 'vddk') return `VDDK (${library})`;
  return `the built-in engine${searched ? ' (no VDDK was found)' : ''}`;
}

/**
 * Opens the disk that the parameters name.
 * @throws VddkNbdError; nothing is left behind then.
 */
export async function openDisk(options: OpenDiskOptions): Promise<OpenedDisk> {
  const { file, log, readOnly, temporaryDir } = options;
  checkDiskFile(file, readOnly);
  const libraries = findLibraries({
    engine: options.engine,
    libdir: options.libdir,
    environmentLibdir: process.env['VDDK_LIBDIR'],
    builtinDir: BUILTIN_DIR,
  });
  log.debug(`libraries to try: ${libraries.candidates.join(', ')}`);
  const libraryDirs = libraries.candidates.slice(0, 1).map((library) => path.dirname(library));
  try {
    const disk = await openHelperDisk({
      name: file,
      session: {
        hello: {
          libraries: libraries.candidates,
          libdir: libraries.libdir,
          config: undefined,
        },
        connect: { readOnly },
        open: { path: file, flags: readOnly ? VIXDISKLIB_FLAG_OPEN_READ_ONLY : 0 },
      },
      memoryBytes: options.memoryBytes,
      // The built-in engine's writes are in the kernel when they are answered.
      buffersWrites: !readOnly && libraries.engine !== 'builtin',
      // VDDK may write a descriptor anew under its name; the built-in engine does not.
      fileIdentity: () => (libraries.engine === 'builtin' ? identityOfFile(file) : ''),
      startHelper: ({ readFd, writeFd }, listener) =>
        startHelper({
          libraryDirs,
          readFd,
          writeFd,
          temporaryDir,
          clock: systemClock,
          log,
          listener,
        }),
      clock: systemClock,
      log,
      random: Math.random,
      closeTimeoutMs: options.shutdownTimeoutMs,
      requestTimeoutMs: options.requestTimeoutMs,
      recoveryTimeoutMs: options.recoveryTimeoutMs,
      spare: options.spare,
      errors: vixErrorPolicy,
    });
    const searched = options.engine === 'auto' && options.libdir === undefined;
    const engine = describeEngine(libraries, searched, disk.facts.hello.library);
    return { disk, engine };
  } catch (thrown) {
    throw explainOpenFailure(thrown);
  }
}
