// Looks at a local disk file before anything is started, so that a mistyped path fails at once and
// in plain words. Called by serve. The rule: only what would certainly fail later is refused here.
import { accessSync, constants, statSync, type Stats } from 'node:fs';
import path from 'node:path';
import { messageOf, VddkNbdError } from '../base/errors.js';

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

/**
 * Refuses a path that is relative, missing, no regular file, or not accessible.
 * A writable disk also needs a writable directory: lock files are made there.
 * @throws VddkNbdError USAGE or START
 */
export function checkDiskFile(file: string, readOnly: boolean): void {
  if (!path.isAbsolute(file)) {
    throw new VddkNbdError('USAGE', `the path of the disk must be absolute: ${file}`, {
      hint: `Did you mean ${path.resolve(file)}?`,
    });
  }
  const stats = statOf(file);
  if (stats.isDirectory()) {
    throw new VddkNbdError('START', `${file} is a directory`, { hint: 'Name a .vmdk file in it.' });
  }
  if (!stats.isFile()) {
    throw new VddkNbdError('START', `${file} is not a regular file`, {
      hint: 'Name a .vmdk file.',
    });
  }
  requireAccess(file, constants.R_OK, `${file} can't be read`, 'Check its permissions.');
  if (readOnly) return;
  const remedy = 'Change its permissions, or serve the disk read-only (-r).';
  requireAccess(file, constants.W_OK, `${file} is not writable`, remedy);
  const directory = path.dirname(file);
  requireAccess(directory, constants.W_OK, `the directory ${directory} is not writable`, remedy);
}
