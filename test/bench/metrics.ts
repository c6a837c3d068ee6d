// What is measured: each metric does one kind of work against a running server.
import { execa } from 'execa';
import type { RunningServer } from './servers.js';

export interface Metric {
  name: string;
  unit: string;
  /** Whether more is better; ratios are turned so that above 1 is good for us. */
  moreIsBetter: boolean;
  measure: (server: RunningServer, work: Work) => Promise<number>;
}

export interface Work {
  /** A raw file of the disk's size, with its bytes. */
  source: string;
  sizeMib: number;
  runtimeS: number;
}

async function copy(args: string[], sizeMib: number): Promise<number> {
  const startedMs = performance.now();
  await execa('nbdcopy', ['--connections=1', ...args]);
  return sizeMib / ((performance.now() - startedMs) / 1000);
}

/** Operations a second, by fio's own nbd engine. */
async function fio(server: RunningServer, work: Work, rw: string, depth: number): Promise<number> {
  const { stdout } = await execa('fio', [
    '--name=bench',
    '--ioengine=nbd',
    `--uri=${server.uri}`,
    `--rw=${rw}`,
    '--bs=4k',
    `--iodepth=${depth}`,
    `--size=${work.sizeMib}m`,
    '--time_based',
    `--runtime=${work.runtimeS}`,
    '--output-format=json',
  ]);
  // fio prints notes before its JSON.
  const parsed = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
    jobs: { read: { iops: number }; write: { iops: number } }[];
  };
  const [job] = parsed.jobs;
  return (job?.read.iops ?? 0) + (job?.write.iops ?? 0);
}

function random(rw: 'randread' | 'randwrite', depth: number): Metric {
  return {
    name: `${rw === 'randread' ? 'random read' : 'random write'} 4K, depth ${depth}`,
    unit: 'IOPS',
    moreIsBetter: true,
    measure: (server, work) => fio(server, work, rw, depth),
  };
}

export const METRICS: readonly Metric[] = [
  {
    name: 'start to first nbdinfo',
    unit: 'ms',
    moreIsBetter: false,
    measure: (server) => Promise.resolve(server.startMs),
  },
  {
    name: 'bulk read 2M',
    unit: 'MiB/s',
    moreIsBetter: true,
    measure: (server, { sizeMib }) =>
      copy(['--request-size=2097152', '--requests=16', server.uri, 'null:'], sizeMib),
  },
  {
    name: 'bulk write 256K',
    unit: 'MiB/s',
    moreIsBetter: true,
    measure: (server, { source, sizeMib }) =>
      copy(['--request-size=262144', source, server.uri], sizeMib),
  },
  random('randread', 1),
  random('randread', 32),
  random('randwrite', 1),
  random('randwrite', 32),
  {
    name: 'memory (PSS) after a bulk read',
    unit: 'MiB',
    moreIsBetter: false,
    measure: async (server, { sizeMib }) => {
      await copy(['--request-size=2097152', '--requests=16', server.uri, 'null:'], sizeMib);
      return server.memoryMib();
    },
  },
];
