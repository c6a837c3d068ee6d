// Which library the helper shall load: VMware's VDDK where it is found, else the built-in engine.
// Looks at the file system only; nothing is loaded here. The rule: what the user named is what is
// taken; a choice that the program makes itself is told to the user by the caller.
import { existsSync, lstatSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { VddkNbdError } from '../base/errors.js';
import type { Engine } from './parameters.js';
import { linkerDirectories } from './system-libraries.js';

/** Versions in the soname, best first: what VMware called VDDK 9 down to 5. */
const SONAMES = [9, 8, 7, 6, 5].map((version) => `libvixDiskLib.so.${version}`);
const ALL_SONAMES = 'libvixDiskLib.so.5 to .so.9';

/** Where VMware's tarball is unpacked by habit, and where nbdkit looks. */
export const USUAL_LIBDIRS = [
  '/usr/lib/vmware-vix-disklib',
  '/usr/lib64/vmware-vix-disklib',
] as const;

/** A choice: the libraries to try in order, and the directory that InitEx is told. */
export interface Libraries {
  engine: 'vddk' | 'builtin';
  /** Absolute paths of files that exist, or of links to such as don't, best first. */
  candidates: string[];
  libdir: string;
  /** What was passed over that may have been meant: lines for the user. */
  passedOver: string[];
}

export interface LibrarySearch {
  engine: Engine;
  /** `libdir=`, if it was given. */
  libdir: string | undefined;
  /** $VDDK_LIBDIR, if it is set. */
  environmentLibdir: string | undefined;
  /** $LD_LIBRARY_PATH, if it is set. */
  ldLibraryPath: string | undefined;
  /** Top of the built-in engine's distribution: build/builtin. */
  builtinDir: string;
  /** Replaces USUAL_LIBDIRS; for tests. */
  usualLibdirs?: readonly string[];
  /** Only VDDK can open the disk: one on a server. */
  needsVddk?: boolean;
}

/** Whether there is such a file, or a link to none: of that the linker says what is wrong. */
function isThere(file: string): boolean {
  try {
    lstatSync(file);
    return true;
  } catch {
    return false;
  }
}

/** The top of the distribution that `library` in `folder` is of, whatever links lead there. */
function topOf(folder: string, library: string | undefined): string {
  const real = library !== undefined && existsSync(library) ? realpathSync(library) : folder;
  const folders = [folder, realpathSync(folder), path.dirname(real)];
  const lib64 = folders.find((it) => path.basename(it) === 'lib64');
  return lib64 === undefined ? folder : path.dirname(lib64);
}

/**
 * The libraries below `dir`: the top of a distribution, its lib64, or a directory that holds the
 * library itself. InitEx wants the top, so that is what `libdir` becomes where there is one.
 */
export function librariesIn(dir: string): { candidates: string[]; libdir: string } | undefined {
  const inside = (folder: string): string[] =>
    SONAMES.map((name) => path.join(folder, name)).filter(isThere);
  const top = path.resolve(dir);
  const nested = inside(path.join(top, 'lib64'));
  if (nested.length > 0) return { candidates: nested, libdir: top };
  const flat = inside(top);
  return flat.length === 0 ? undefined : { candidates: flat, libdir: topOf(top, flat[0]) };
}

/** Whether the best of `candidates` is the built-in engine, by whatever name. */
function isBuiltin([best = '']: readonly string[], { builtinDir }: LibrarySearch): boolean {
  const own = librariesIn(builtinDir)?.candidates[0] ?? '';
  return existsSync(best) && existsSync(own) && realpathSync(best) === realpathSync(own);
}

function builtin(search: LibrarySearch): Libraries {
  const found = librariesIn(search.builtinDir);
  if (found) return { engine: 'builtin', ...found, passedOver: [] };
  throw new VddkNbdError('SYSTEM', `the built-in engine is not in ${search.builtinDir}`, {
    hint: 'Build it with make.',
  });
}

/** The library that the user named with libdir=. */
function named(search: LibrarySearch, libdir: string): Libraries {
  if (search.engine === 'builtin') {
    throw new VddkNbdError('USAGE', 'libdir= and engine=builtin exclude each other', {
      hint: 'Leave one of them out.',
    });
  }
  const found = librariesIn(libdir);
  if (found) {
    const own = isBuiltin(found.candidates, search);
    if (own && search.needsVddk) {
      throw new VddkNbdError(
        'USAGE',
        `in ${libdir} is the built-in engine: it has local disks only`,
        {
          hint: 'A disk on a server takes VDDK: name its directory with libdir=.',
        },
      );
    }
    return { engine: own ? 'builtin' : 'vddk', ...found, passedOver: [] };
  }
  throw new VddkNbdError('START', `no ${ALL_SONAMES} in ${libdir} or its lib64`, {
    hint: 'libdir= is the directory vmware-vix-disklib-distrib that VDDK was unpacked to.',
  });
}

/** Where VDDK is looked for if nobody names it: those that nbdkit has, then the linker's. */
function* places(search: LibrarySearch): Generator<string> {
  if (search.environmentLibdir) yield search.environmentLibdir;
  yield* search.usualLibdirs ?? USUAL_LIBDIRS;
  yield* linkerDirectories(search.ldLibraryPath);
}

/**
 * VDDK, if it is where it may be. The built-in engine in LD_LIBRARY_PATH is none. What was passed
 * over before is added to `passedOver`.
 */
function vddk(search: LibrarySearch, passedOver: Set<string>): Libraries | undefined {
  for (const place of places(search)) {
    const found = librariesIn(place);
    if (found === undefined) {
      if (place !== search.environmentLibdir) continue;
      passedOver.add(`VDDK_LIBDIR is ${place}, but there is no ${ALL_SONAMES} in it or its lib64`);
    } else if (!found.candidates.some((file) => existsSync(file))) {
      passedOver.add(`${found.candidates.join(', ')}: a link to a file that is not there`);
    } else if (!isBuiltin(found.candidates, search)) {
      return { engine: 'vddk', ...found, passedOver: [...passedOver] };
    }
  }
  return undefined;
}

function notFound(search: LibrarySearch, passedOver: readonly string[]): VddkNbdError {
  const tried = [search.environmentLibdir, ...(search.usualLibdirs ?? USUAL_LIBDIRS)];
  const list = tried.filter((place) => place).join(', ');
  const linker = 'the directories of LD_LIBRARY_PATH and ld.so.conf';
  const message = [`VDDK was not found in ${list}, nor in ${linker}`, ...passedOver].join('; ');
  return new VddkNbdError('START', message, {
    hint: search.needsVddk
      ? 'A disk on a server takes VDDK: unpack it, and name its directory with libdir=.'
      : 'Name its directory with libdir=, or use engine=builtin for a local file.',
  });
}

/**
 * Chooses by `engine=` and `libdir=`.
 * @throws VddkNbdError USAGE for a contradiction, START or SYSTEM if nothing is found.
 */
export function findLibraries(search: LibrarySearch): Libraries {
  if (search.libdir !== undefined) return named(search, search.libdir);
  if (search.engine === 'builtin') return builtin(search);
  const noted = new Set<string>();
  const found = vddk(search, noted);
  if (found) return found;
  const passedOver = [...noted];
  if (search.engine === 'auto' && !search.needsVddk) return { ...builtin(search), passedOver };
  throw notFound(search, passedOver);
}
