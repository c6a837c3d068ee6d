// The clients that make the work: nbdcopy for whole disks, fio's own nbd engine for all else.
import { execa } from 'execa';
import { clientCommand } from './real-time.js';

/** Copies with nbdcopy; MiB/s. */
export async function copy(args: readonly string[], sizeMib: number): Promise<number> {
  const startedMs = performance.now();
  const [file, ...words] = clientCommand(['nbdcopy', ...args]);
  await execa(file, words);
  return sizeMib / ((performance.now() - startedMs) / 1000);
}

export interface FioWork {
  rw: 'read' | 'randread' | 'randwrite';
  blockBytes: number;
  depth: number;
  sizeMib: number;
  runtimeS: number;
  /** The jobs are one program with several connections, as nbdcopy is; else each is a client. */
  isOneClient?: boolean;
}

/** Runs one job for each of `uris` at the same time; operations a second of all together. */
export async function fio(uris: readonly string[], work: FioWork): Promise<number> {
  const { rw, blockBytes, depth, sizeMib, runtimeS, isOneClient = false } = work;
  const shareMib = Math.max(1, Math.floor(sizeMib / uris.length));
  const jobs = uris.flatMap((uri, index) => [
    `--name=job${index}`,
    '--ioengine=nbd',
    `--uri=${uri}`,
    `--rw=${rw}`,
    `--bs=${blockBytes}`,
    `--iodepth=${depth}`,
    // Each has a part of the disk of its own.
    `--offset=${index * shareMib}m`,
    `--size=${shareMib}m`,
    '--time_based',
    `--runtime=${runtimeS}`,
  ]);
  const [file, ...words] = clientCommand([
    'fio',
    '--output-format=json',
    // As processes they are sessions of their own, among which the kernel shares its processors.
    ...(isOneClient ? ['--thread'] : []),
    ...jobs,
  ]);
  const { stdout } = await execa(file, words);
  // fio prints notes before its JSON.
  const parsed = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
    jobs: { read: { iops: number }; write: { iops: number } }[];
  };
  return parsed.jobs.reduce((sum, { read, write }) => sum + read.iops + write.iops, 0);
}

/** fio's operations a second as MiB/s. */
export async function fioMib(uris: readonly string[], work: FioWork): Promise<number> {
  return (await fio(uris, work)) * (work.blockBytes / 2 ** 20);
}
