// Looks at a local disk file before anything is started, so that a mistyped path fails at once and
// in plain words. Called by serve. The rule: only what would certainly fail later is refused here.
import { accessSync, constants, existsSync, statSync, type Stats } from 'node:fs';
import path from 'node:path';
import { messageOf, VddkNbdError } from '../base/errors.js';
import type { DiskParameters } from '../vddk/parameters.js';

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
}

function statOf(file: string): Stats {
  try {
    return statSync(file);
  } catch (error) {
    const missing = codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
    throw new VddkNbdError('START', missing ? `no such file: ${file}` : messageOf(error), {
      hint: missing ? 'Check the path.' : 'Check the permissions of its directories.',
      cause: error,
    });
  }
}

function requireAccess(file: string, mode: number, message: string, hint: string): void {
  try {
    accessSync(file, mode);
  } catch (error) {
    throw new VddkNbdError('START', message, { hint, cause: error });
  }
}

/** What tells `file` from another file that takes its name. Throws if there is none. */
export function identityOfFile(file: string): string {
  const { dev, ino } = statSync(file, { bigint: true });
  return `${dev}:${ino}`;
}

function requireAbsolute(file: string): void {
  if (path.isAbsolute(file)) return;
  const remote = file.startsWith('[');
  throw new VddkNbdError('USAGE', `the path of the disk must be absolute: ${file}`, {
    hint: remote
      ? 'A disk on a server also needs server=, vm=, user= and password=.'
      : `Did you mean ${path.resolve(file)}?`,
  });
}

function requireWritableDirectory(file: string, remedy: string): void {
  const directory = path.dirname(file);
  requireAccess(directory, constants.W_OK, `the directory ${directory} is not writable`, remedy);
}

/**
 * Refuses a path that is relative, missing, no regular file, or not accessible. With `devices`,
 * those are let through: VDDK has the last word on what it opens.
 * A writable disk also needs a writable directory: lock files are made there.
 * @throws VddkNbdError USAGE or START
 */
export function checkDiskFile(file: string, readOnly: boolean, devices = false): void {
  requireAbsolute(file);
  const stats = statOf(file);
  if (stats.isDirectory()) {
    throw new VddkNbdError('START', `${file} is a directory`, { hint: 'Name a .vmdk file in it.' });
  }
  const device = stats.isCharacterDevice() || stats.isBlockDevice();
  if (!stats.isFile() && !(device && devices)) {
    throw new VddkNbdError('START', `${file} is not a regular file`, {
      hint: 'Name a .vmdk file.',
    });
  }
  requireAccess(file, constants.R_OK, `${file} can't be read`, 'Check its permissions.');
  if (readOnly) return;
  const remedy = 'Change its permissions, or serve the disk read-only (-r).';
  requireAccess(file, constants.W_OK, `${file} is not writable`, remedy);
  requireWritableDirectory(file, remedy);
}

/** Refuses what can't be created: a disk that is there, or without a place to be. */
function checkNewFile(file: string, readOnly: boolean): void {
  requireAbsolute(file);
  if (readOnly) {
    throw new VddkNbdError('USAGE', 'create=true and --readonly exclude each other', {
      hint: 'Create the disk first, then serve it with -r.',
    });
  }
  if (existsSync(file)) {
    throw new VddkNbdError('START', `${file} exists already`, {
      hint: 'Leave out create=true to serve it, or name another file.',
    });
  }
  statOf(path.dirname(file));
  requireWritableDirectory(file, 'Change its permissions, or create the disk elsewhere.');
}

/**
 * Looks at the disk of these parameters. One on a server is the library's to look at.
 * @throws VddkNbdError USAGE or START
 */
export function checkDisk(
  options: Pick<DiskParameters, 'create' | 'engine' | 'remote'> & {
    file: string;
    readOnly: boolean;
  },
): void {
  if (options.remote) return;
  if (options.create) checkNewFile(options.file, options.readOnly);
  else checkDiskFile(options.file, options.readOnly, options.engine !== 'builtin');
}
