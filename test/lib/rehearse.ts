// A server over the fault engine, and what rehearsals of failures do with it.
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { NBD_CMD_WRITE } from '../../src/nbd/constants.js';
import { NbdClient } from './nbd-client.js';
import { type Ended, REPO, run, type Server, shortDir, startServer } from './serve.js';

export const MIB = 1024 * 1024;

export interface Rehearsal {
  /** What the disk holds before anything is written. */
  content: Buffer;
  server: Server;
  /** What is in the image now. */
  image: () => Buffer;
  /** Rules that act from now on beside those at the start. */
  rules: (text: string) => void;
  /** Runs one command of qemu-io after another, with a flush at the end if it wrote. */
  io: (...commands: string[]) => Promise<Ended>;
  /** Writes sectors of one byte's value each, by offset, and goes without a flush. */
  forget: (writes: ReadonlyMap<number, number>) => Promise<void>;
  /** How many helpers have been replaced. */
  deaths: () => number;
}

/** Serves a raw image of random bytes from a library that fails by the rules in `fault`. */
export async function rehearse(
  t: { teardown: (end: () => unknown) => unknown },
  fault: string,
  options: {
    args?: string[];
    env?: Record<string, string>;
    listen?: string[];
    nofile?: number;
  } = {},
): Promise<Rehearsal> {
  const dir = shortDir(t);
  const file = path.join(dir, 'disk.img');
  const ruleFile = path.join(dir, 'rules');
  const content = randomBytes(8 * MIB);
  writeFileSync(file, content);
  const rules = (text: string): void => {
    // At once and as a whole.
    writeFileSync(`${ruleFile}.new`, text);
    renameSync(`${ruleFile}.new`, ruleFile);
  };
  const listen = options.listen ?? ['-U', path.join(dir, 'socket')];
  const server = await startServer(
    t,
    [
      ...[...listen, `file=${file}`],
      ...[`libdir=${path.join(REPO, 'build/fault')}`, ...(options.args ?? [])],
    ],
    {
      ...(options.nofile !== undefined && { nofile: options.nofile }),
      env: {
        FAULT: fault,
        FAULT_FILE: ruleFile,
        FAULT_STATE: path.join(dir, 'state'),
        ...options.env,
      },
    },
  );
  const forget = async (writes: ReadonlyMap<number, number>): Promise<void> => {
    const client = await NbdClient.go({ kind: 'unix', path: path.join(dir, 'socket') });
    for (const [offset, byte] of writes) {
      const data = Buffer.alloc(512, byte);
      const { error } = await client.ask({ type: NBD_CMD_WRITE, offset, length: 512, data });
      if (error !== 0) throw new Error(`a write failed with ${error}`);
    }
    client.destroy();
  };
  return {
    content,
    server,
    image: () => readFileSync(file),
    rules,
    io: (...commands) => {
      const args = commands.flatMap((command) => ['-c', command]);
      return run('qemu-io', ['-f', 'raw', ...args, server.uri!]);
    },
    forget,
    deaths: () => server.stderr.split('helper replaced').length - 1,
  };
}

/** qemu-io's words for EIO. */
export const EIO = /Input\/output error/;
