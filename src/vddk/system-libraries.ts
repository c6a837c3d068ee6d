// Where the dynamic linker would find the library by its bare name: LD_LIBRARY_PATH, what ldconfig
// has seen in /etc/ld.so.conf, and its own directories. Reads files, loads nothing.
// The rule: a directory that isn't there, or can't be read, has no library in it.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const LD_SO_CACHE = '/etc/ld.so.cache';
/** Searched last, whatever is configured. */
const TRUSTED = ['/lib64', '/usr/lib64', '/lib', '/usr/lib'];

/** Directories of libvixDiskLib.so.N in ldconfig's cache: its strings are paths between zeroes. */
export function directoriesInCache(cache: Buffer): string[] {
  const paths = cache.toString('latin1').matchAll(/\0(\/[^\0]*)\/libvixDiskLib\.so\.\d+(?=\0)/g);
  return [...paths].map((match) => Buffer.from(match[1] ?? '', 'latin1').toString());
}

function cachedDirectories(): string[] {
  try {
    return directoriesInCache(readFileSync(LD_SO_CACHE));
  } catch {
    return [];
  }
}

/** The directories, in the linker's order. */
export function linkerDirectories(ldLibraryPath: string | undefined): string[] {
  // An empty element means the current directory, to the linker; hardly ever is that meant.
  const own = (ldLibraryPath ?? '').split(/[:;]/).filter((directory) => directory !== '');
  return [...own.map((directory) => path.resolve(directory)), ...cachedDirectories(), ...TRUSTED];
}
