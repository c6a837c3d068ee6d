// What the tests of real clients share: raw images behind the fault engine, which without rules is
// a library like any other, and servers of them. The rule: a client that is not installed fails its
// test; nothing here is ever skipped.
import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { makeRaw } from '../lib/disks.js';
import { REPO, shortDir, startServer, type Server } from '../lib/serve.js';

export const MIB = 1024 * 1024;
/** The engine is believed about holes only where it does not say that the disk is a local file. */
export const REMOTE = { FAULT_TRANSPORT: 'nbdssl' };
export const LIBDIR = `libdir=${path.join(REPO, 'build/fault')}`;

interface Teardown {
  teardown: (end: () => unknown) => unknown;
}

export interface Place {
  at: (base: string) => string;
  /** A raw image with data at odd places and holes between, in whole sectors. */
  image: (base: string, sizeBytes: number) => string;
  /** A raw image of zeroes. */
  empty: (base: string, sizeBytes: number) => string;
}

/** A directory of the test's own. */
export function place(t: Teardown): Place {
  const dir = shortDir(t);
  const at = (base: string): string => path.join(dir, base);
  return {
    at,
    image: (base, sizeBytes) => {
      makeRaw(at(base), sizeBytes, 40);
      return at(base);
    },
    empty: (base, sizeBytes) => {
      writeFileSync(at(base), '');
      truncateSync(at(base), sizeBytes);
      return at(base);
    },
  };
}

/** A server of this image on a unix socket beside it. */
export async function serveImage(t: Teardown, image: string, args: string[] = []): Promise<Server> {
  const where = args.includes('-p') ? [] : ['-U', `${image}.sock`];
  return startServer(t, [LIBDIR, `file=${image}`, ...where, ...args], { env: REMOTE });
}

/** Overwrites a part of a file. */
export function patch(file: string, offsetBytes: number, content: Buffer): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, content, 0, content.length, offsetBytes);
  closeSync(fd);
}
