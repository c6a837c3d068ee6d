// Opens one disk: chooses the library, starts the helper over it, and puts what can go wrong into
// a user's words. The rule: an error of this file names a remedy.
import path from 'node:path';
import { systemClock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { EXTENT_HOLE, EXTENT_ZERO } from '../disk/disk.js';
import { type HelperDisk, openHelperDisk } from '../disk/helper-disk.js';
import { startHelper } from '../helper/live-helper.js';
import { Logins } from '../supervisor/logins.js';
import { vixErrorPolicy } from '../vddk/errors.js';
import { findLibraries, type Libraries, type LibrarySearch } from '../vddk/libraries.js';
import type { DebugFlags } from '../vddk/debug-flags.js';
import type { DiskParameters } from '../vddk/parameters.js';
import { missingFunctions } from '../vddk/vintage.js';
import { unfencedWarning } from '../vddk/transports.js';
import { checkDisk, identityOfFile } from './check-file.js';
import { diskObserver } from './disk-observer.js';
import { explainOpenFailure } from './explain-open.js';
import { LibraryLog } from './library-log.js';
import type { LibraryStats } from './library-stats.js';
import { sessionOf } from './session-params.js';

/** Top of the built-in engine's distribution, laid out as VDDK's is. */
export const BUILTIN_DIR = path.resolve(import.meta.dirname, '../../build/builtin');

export interface OpenDiskOptions extends DiskParameters {
  file: string;
  readOnly: boolean;
  /** Both arenas together. */
  memoryBytes: number;
  /** See HelperDiskOptions. */
  cacheBytesMax: number;
  readaheadBytesMax: number;
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
  debugFlags: DebugFlags;
  /** Where debugFlags.stats is counted. */
  stats: LibraryStats | undefined;
  log: Log;
}

/** An open disk, and with what it was opened, in words. */
export interface OpenedDisk {
  disk: HelperDisk;
  engine: string;
}

/** Of all disks of this program: their parameters name one account. */
const logins = new Logins();

/** What was said of the search for a library, which is the same for all disks. */
const told = new Set<string>();

/** Where the library is looked for, for these parameters on this machine. */
export function librarySearch(
  parameters: Pick<DiskParameters<unknown>, 'engine' | 'libdir' | 'remote'>,
): LibrarySearch {
  return {
    engine: parameters.engine,
    libdir: parameters.libdir,
    environmentLibdir: process.env['VDDK_LIBDIR'],
    ldLibraryPath: process.env['LD_LIBRARY_PATH'],
    builtinDir: BUILTIN_DIR,
    needsVddk: parameters.remote !== undefined,
  };
}

function describeEngine(libraries: Libraries, searched: boolean, library: string): string {
  if (libraries.engine === 'vddk') return `VDDK (${library})`;
  return `the built-in engine${searched ? ' (no VDDK was found)' : ''}`;
}

/**
 * What is true of what a library says it has not allocated. In one link of a chain it only means
 * that the data is elsewhere; and VDDK gives wrong answers for local files.
 */
function holeStateOf(engine: string, singleLink: boolean): (transportMode: string) => number {
  return (transportMode) => {
    if (engine === 'vddk' && transportMode === 'file') return 0;
    return singleLink ? EXTENT_HOLE : EXTENT_HOLE | EXTENT_ZERO;
  };
}

/** -D vddk.diskinfo=1: what VixDiskLib_GetInfo said. */
function logDiskInfo({ info, transportMode }: HelperDisk['facts'], log: Log): void {
  log.debug(`disk info: transport mode: ${transportMode}`);
  for (const [field, value] of Object.entries(info)) {
    log.debug(`disk info: ${field}: ${String(value ?? 'none')}`);
  }
}

/**
 * Opens the disk that the parameters name.
 * @throws VddkNbdError; nothing is left behind then.
 */
export async function openDisk(options: OpenDiskOptions): Promise<OpenedDisk> {
  const { file, log, readOnly, temporaryDir } = options;
  checkDisk(options);
  const libraries = findLibraries(librarySearch(options));
  for (const line of libraries.passedOver.filter((it) => !told.has(it))) {
    told.add(line);
    log.warning(line);
  }
  log.debug(`libraries to try: ${libraries.candidates.join(', ')}`);
  const libraryDirs = libraries.candidates.slice(0, 1).map((library) => path.dirname(library));
  const byCookie = options.remote?.cookie !== undefined;
  const libraryLog = new LibraryLog({ name: file, byCookie, log });
  try {
    const disk = await openHelperDisk({
      name: file,
      session: sessionOf(options, libraries),
      observer: diskObserver(options.debugFlags, options.stats, log),
      memoryBytes: options.memoryBytes,
      cacheBytesMax: options.cacheBytesMax,
      readaheadBytesMax: options.readaheadBytesMax,
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
          listener: libraryLog.listener(listener),
        }),
      clock: systemClock,
      log,
      random: Math.random,
      closeTimeoutMs: options.shutdownTimeoutMs,
      requestTimeoutMs: options.requestTimeoutMs,
      recoveryTimeoutMs: options.recoveryTimeoutMs,
      spare: options.spare,
      logins,
      errors: vixErrorPolicy,
      holeState: holeStateOf(libraries.engine, options.singleLink),
    });
    libraryLog.opened();
    if (options.debugFlags.diskinfo) logDiskInfo(disk.facts, log);
    for (const lack of missingFunctions(disk.facts.hello.functions))
      log.warning(`${file}: ${lack}`);
    const warning = readOnly ? undefined : unfencedWarning(disk.facts.transportMode);
    if (warning !== undefined) log.warning(`${file}: ${warning}`);
    const searched = options.engine === 'auto' && options.libdir === undefined;
    const engine = describeEngine(libraries, searched, disk.facts.hello.library);
    return { disk, engine };
  } catch (thrown) {
    throw explainOpenFailure(thrown, { options, libraryLog });
  }
}
