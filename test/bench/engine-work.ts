// What `make bench-engine` measures: each kind of work runs against a server of one image.
import { execa } from 'execa';
import type { Format } from './engine-images.js';
import { clientCommand } from './real-time.js';

export interface EngineWork {
  name: string;
  unit: 'MiB/s' | 'IOPS';
  formats: readonly Format[];
  /** On a disk without data, made anew for every run. */
  onEmptyDisk: boolean;
  measure: (uri: string, settings: WorkSettings) => Promise<number>;
}

export interface WorkSettings {
  /** A raw file of `sizeMib`. */
  source: string;
  sizeMib: number;
  runtimeS: number;
}

/** Seconds of random access before those that count. */
const WARM_UP_S = 2;

const ALL: readonly Format[] = ['monolithicSparse', 'monolithicFlat', 'streamOptimized'];
/** qemu-nbd can't change a compressed image. */
const WRITABLE: readonly Format[] = ['monolithicSparse', 'monolithicFlat'];
const SPARSE: readonly Format[] = ['monolithicSparse'];

function client(file: string, args: string[]) {
  const [program, ...words] = clientCommand([file, ...args]);
  return execa(program, words);
}

async function copy(args: string[], sizeMib: number): Promise<number> {
  const startedMs = performance.now();
  await client('nbdcopy', ['--connections=1', ...args]);
  return sizeMib / ((performance.now() - startedMs) / 1000);
}

function sequentialRead(name: string, requestBytes: number): EngineWork {
  return {
    name: `sequential read ${name}`,
    unit: 'MiB/s',
    formats: ALL,
    onEmptyDisk: false,
    measure: (uri, { sizeMib }) =>
      copy([`--request-size=${requestBytes}`, '--requests=16', uri, 'null:'], sizeMib),
  };
}

function bulkWrite(name: string, onEmptyDisk: boolean): EngineWork {
  return {
    name,
    unit: 'MiB/s',
    formats: onEmptyDisk ? SPARSE : WRITABLE,
    onEmptyDisk,
    measure: (uri, { source, sizeMib }) =>
      copy(['--request-size=262144', '--flush', source, uri], sizeMib),
  };
}

/** Operations a second, by fio's own nbd engine. */
async function fio(uri: string, runtimeS: number, args: string[]): Promise<number> {
  const fixed = ['--name=bench', '--ioengine=nbd', `--uri=${uri}`, '--bs=4k'];
  const timing = ['--time_based', `--runtime=${runtimeS}`, '--output-format=json'];
  const { stdout } = await client('fio', [...fixed, ...timing, ...args]);
  // fio prints notes before its JSON.
  const { jobs } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
    jobs: { read: { iops: number }; write: { iops: number } }[];
  };
  return (jobs[0]?.read.iops ?? 0) + (jobs[0]?.write.iops ?? 0);
}

function random(rw: 'randread' | 'randwrite', depth: number): EngineWork {
  return {
    name: `random 4K ${rw === 'randread' ? 'read' : 'write'}, depth ${depth}`,
    unit: 'IOPS',
    formats: rw === 'randread' ? ALL : WRITABLE,
    onEmptyDisk: false,
    measure: (uri, { sizeMib, runtimeS }) =>
      // A server of a long copy has long been warm.
      fio(uri, runtimeS, [
        ...[`--rw=${rw}`, `--iodepth=${depth}`, `--size=${sizeMib}m`],
        `--ramp_time=${WARM_UP_S}`,
      ]),
  };
}

/** Each write is the first to its grain. */
function firstWrite(depth: number): EngineWork {
  return {
    name: `first write 4K, depth ${depth}`,
    unit: 'IOPS',
    formats: SPARSE,
    onEmptyDisk: true,
    measure: (uri, { runtimeS }) =>
      fio(uri, runtimeS, [
        '--rw=randwrite',
        '--blockalign=64k',
        `--iodepth=${depth}`,
        '--size=64g',
      ]),
  };
}

export const ENGINE_WORKS: readonly EngineWork[] = [
  sequentialRead('2M', 2 * 1024 * 1024),
  sequentialRead('256K', 256 * 1024),
  random('randread', 1),
  random('randread', 32),
  random('randwrite', 1),
  random('randwrite', 32),
  bulkWrite('sequential write 256K', false),
  firstWrite(1),
  firstWrite(32),
  bulkWrite('first sequential write 256K', true),
];
