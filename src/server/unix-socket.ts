// The file of a unix socket: created with mode 0600 from its first moment, a stale one taken away,
// another server's never. Everything here is synchronous but the look whether somebody accepts, so
// that nothing of ours runs between looking at a file and acting on it.
import { existsSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { VddkNbdError } from '../base/errors.js';

/** Longest path of a unix socket on Linux: sun_path without its terminating zero. */
export const SOCKET_PATH_BYTES_MAX = 107;
const PRIVATE_UMASK = 0o177;

/** What tells one socket file from another that has taken its name (and maybe its inode). */
export interface SocketIdentity {
  dev: bigint;
  ino: bigint;
  mtimeNs: bigint;
}

/** The socket at `path`, or undefined if there is none. */
export function socketAt(path: string): SocketIdentity | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat?.isSocket() === true ? stat : undefined;
}

function same(a: SocketIdentity | undefined, b: SocketIdentity | undefined): boolean {
  return a?.dev === b?.dev && a?.ino === b?.ino && a?.mtimeNs === b?.mtimeNs;
}

/** A name beside `path` that nobody else uses. */
function nameBeside(path: string): string {
  return `${path}.${process.pid}~`;
}

/** Resolves to whether a server accepts on `path`; a refusal is the only sure sign of none. */
function isAccepting(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED');
    });
  });
}

/**
 * Takes away the socket at `path` if nobody accepts on it. It is moved aside first and looked at
 * again: if a new server's socket was caught, that is put back.
 * @returns whether `path` is free now.
 */
export async function removeStaleSocket(path: string): Promise<boolean> {
  const found = socketAt(path);
  if (found === undefined) return !existsSync(path);
  if (await isAccepting(path)) return false;
  const aside = nameBeside(path);
  try {
    renameSync(path, aside);
  } catch {
    return !existsSync(path);
  }
  if (same(socketAt(aside), found)) {
    unlinkSync(aside);
    return true;
  }
  renameSync(aside, path);
  return false;
}

/** Binds `server` to `path`, which nobody but us can open; 'listening' or 'error' follows. */
export function listenPrivately(server: Server, path: string): void {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    throw new VddkNbdError('START', `socket path is too long: ${path}`, {
      hint: `Linux allows ${SOCKET_PATH_BYTES_MAX} bytes; use a shorter path.`,
    });
  }
  // The mask is the whole process's, and node binds inside listen(): nothing runs in between.
  const before = process.umask(PRIVATE_UMASK);
  try {
    server.listen(path);
  } finally {
    process.umask(before);
  }
}

/**
 * Closes `server`, which removes whatever is at `path`; if that is not `ours` any more (somebody
 * took our socket away and another server made its own), it is kept out of the way meanwhile.
 */
export function closeSocket(server: Server, path: string, ours: SocketIdentity | undefined): void {
  const aside = nameBeside(path);
  const others = existsSync(path) && !same(socketAt(path), ours);
  if (others) renameSync(path, aside);
  server.close();
  if (others) renameSync(aside, path);
}
