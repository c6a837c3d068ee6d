// Where a password or cookie comes from, and reading it: given literally, asked for, or from a
// file or an open file descriptor. Called once, before anything is started.
// The rule: a secret is a Buffer with whatever bytes it has, and goes into no message.
import { closeSync, fstatSync, lstatSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { messageOf, VddkNbdError } from '../base/errors.js';
import { SECRET_BYTES_MAX } from '../base/limits.js';
import { bytesOf } from '../base/raw-text.js';
import { readUpTo } from '../base/read-up-to.js';
import { badValue, type Parse, requireUtf8 } from './values.js';

/** What the value of password= or cookie= says. */
export type SecretSource =
  | { kind: 'literal'; bytes: Buffer }
  | { kind: 'prompt' }
  | { kind: 'file'; path: string }
  | { kind: 'fd'; fd: number };

/** `-` asks, `+FILE` and `-FD` read, everything else is the secret itself. */
export const parseSecret: Parse<SecretSource> = (text, key) => {
  if (text === '-') return { kind: 'prompt' };
  if (text.startsWith('+')) {
    if (text.length > 1) return { kind: 'file', path: requireUtf8(text.slice(1), key) };
    throw badValue(key, "'+' lacks a file name", `Write ${key}=+FILE.`);
  }
  if (!text.startsWith('-')) return { kind: 'literal', bytes: bytesOf(text) };
  if (!/^-\d{1,9}$/.test(text)) {
    throw badValue(
      key,
      'a value that begins with - is the number of a file descriptor',
      `Put a secret that begins with - into a file, and write ${key}=+FILE.`,
    );
  }
  const fd = Number(text.slice(1));
  if (fd > 2) return { kind: 'fd', fd };
  throw badValue(
    key,
    `file descriptor ${fd} is stdin, stdout or stderr`,
    `Use another one: ${key}=-3 3<FILE.`,
  );
};

/** Reads and closes `fd`, which is `name` in messages; one newline at the end is not part of it. */
function readFrom(fd: number, name: string, key: string): Buffer {
  let bytes: Buffer;
  try {
    // With its newline, behind which who writes to a pipe may leave it open.
    bytes = readUpTo(fd, SECRET_BYTES_MAX + 1, !fstatSync(fd).isFile());
  } catch (error) {
    throw new VddkNbdError('START', `${key}=: ${name} can't be read: ${messageOf(error)}`, {
      hint: 'Check what it is, and its permissions.',
      cause: error,
    });
  } finally {
    closeSync(fd);
  }
  return bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
}

function openFile(path: string, key: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new VddkNbdError('START', `${key}=+${path}: ${messageOf(error)}`, {
      hint: 'Check the name of the file, and its permissions.',
      cause: error,
    });
  }
}

function readFile(path: string, key: string, warn: (text: string) => void): Buffer {
  const fd = openFile(path, key);
  const stats = fstatSync(fd);
  if (stats.isFile() && (stats.mode & 0o077) !== 0) {
    warn(`${path}, which has the ${key}, can be read by others; chmod 600 helps`);
  }
  return readFrom(fd, path, key);
}

function linkOf(fd: number | string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ''; // There is none of this number.
  }
}

/** Whether `fd` is the end of a pipe that is only written to: Linux gives its link such a mode. */
function isWriteEnd(fd: string): boolean {
  return (lstatSync(`/proc/self/fd/${fd}`).mode & 0o600) === 0o200;
}

/**
 * Whether `fd` was opened for us: Node's own are event queues, and both ends of pipes. A pipe that
 * others fill may be open here by several numbers, as bash leaves that of <(command).
 */
function isInherited(fd: number): boolean {
  const link = linkOf(fd);
  if (link === '' || link.startsWith('anon_inode:')) return false;
  if (!link.startsWith('pipe:')) return true;
  const ends = readdirSync('/proc/self/fd').filter((other) => linkOf(other) === link);
  return !ends.some(isWriteEnd);
}

function readDescriptor(fd: number, key: string): Buffer {
  if (!isInherited(fd)) {
    throw new VddkNbdError('START', `${key}=-${fd}: file descriptor ${fd} is not open`, {
      hint: `Open it for this program: ${key}=-${fd} ${fd}<FILE.`,
    });
  }
  return readFrom(fd, `file descriptor ${fd}`, key);
}

/** What reading a secret needs of its surroundings. */
export interface SecretReader {
  /** Asks for the secret of `key` at the terminal. */
  prompt: (key: string) => Promise<Buffer>;
  warn: (text: string) => void;
}

/**
 * The secret of `key`.
 * @throws VddkNbdError if it can't be had, is too long, or can't be a C string.
 */
export async function readSecret(
  source: SecretSource,
  key: string,
  reader: SecretReader,
): Promise<Buffer> {
  let bytes: Buffer;
  switch (source.kind) {
    case 'literal':
      bytes = source.bytes;
      break;
    case 'prompt':
      bytes = await reader.prompt(key);
      break;
    case 'file':
      bytes = readFile(source.path, key, reader.warn);
      break;
    case 'fd':
      bytes = readDescriptor(source.fd, key);
  }
  if (bytes.length === 0 && source.kind !== 'prompt') {
    // Of a descriptor this may also mean that it was not opened, for node has /dev/null open, too.
    reader.warn(`the ${key} is empty`);
  }
  if (bytes.length > SECRET_BYTES_MAX) {
    throw badValue(key, `more than ${SECRET_BYTES_MAX} bytes`, 'Check that it is the right file.');
  }
  if (bytes.includes(0)) {
    throw badValue(key, 'there is a zero byte in it', 'Check that it is the right file.');
  }
  return bytes;
}
