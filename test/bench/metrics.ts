// The rows of the table: each does one kind of work against a running server.
import { copy, fio, fioMib, type FioWork } from './clients.js';
import { whenWarm } from './measure.js';
import type { ServerSettings } from './peers.js';
import type { RunningServer } from './servers.js';

export interface Work {
  /** A raw file of the disk's size, with its bytes. */
  source: string;
  sizeMib: number;
  runtimeS: number;
  pskFile: string;
}

export interface Metric {
  name: string;
  unit: string;
  /** Whether more is better; ratios are turned so that above 1 is good for us. */
  moreIsBetter: boolean;
  server: Omit<ServerSettings, 'pskFile'> & { tls?: boolean };
  measure: (server: RunningServer, work: Work) => Promise<number>;
}

const KIB = 1024;
/** How often memory is looked at during the work. */
const MEMORY_EVERY_MS = 100;

type Bulk = (server: RunningServer, work: Work) => Promise<number>;

function bulk(direction: 'read' | 'write', requestKib: number, requests: number): Bulk {
  return (server, { source, sizeMib }) => {
    const ends = direction === 'read' ? [server.uri, 'null:'] : [source, server.uri];
    const size = `--request-size=${requestKib * KIB}`;
    return copy(['--connections=1', size, `--requests=${requests}`, ...ends], sizeMib);
  };
}

function copying(direction: 'read' | 'write', size: string, run: Bulk, latencyUs = 0): Metric {
  return {
    name: `bulk ${direction} ${size}`,
    unit: 'MiB/s',
    moreIsBetter: true,
    server: { readOnly: direction === 'read', latencyUs },
    measure: run,
  };
}

/** Processor seconds of the server and its descendants for each GiB. */
function costOf(name: string, readOnly: boolean, run: Bulk): Metric {
  return {
    name: `processor time, ${name}`,
    unit: 's/GiB',
    moreIsBetter: false,
    server: { readOnly },
    measure: async (server, work) => {
      const before = server.processorSeconds();
      await run(server, work);
      return (server.processorSeconds() - before) / (work.sizeMib / 1024);
    },
  };
}

/** The most memory that the server and its descendants have during a piece of work. */
function memoryOf(name: string, readOnly: boolean, run: Bulk): Metric {
  return {
    name: `memory (PSS), ${name}`,
    unit: 'MiB',
    moreIsBetter: false,
    server: { readOnly },
    measure: async (server, work) => {
      let most = server.memoryMib();
      const look = setInterval(() => {
        most = Math.max(most, server.memoryMib());
      }, MEMORY_EVERY_MS);
      await run(server, work);
      clearInterval(look);
      return Math.max(most, server.memoryMib());
    },
  };
}

interface Random {
  rw: FioWork['rw'];
  kib: number;
  depth: number;
  connections?: number;
  latencyUs?: number;
}

function small({ rw, kib, depth, connections = 1, latencyUs = 0 }: Random): Metric {
  const words = { read: 'sequential read', randread: 'random read', randwrite: 'random write' };
  const many = connections === 1 ? '' : `, ${connections} connections`;
  return {
    name: `${words[rw]} ${kib}K, depth ${depth}${many}`,
    unit: 'IOPS',
    moreIsBetter: true,
    server: { readOnly: rw !== 'randwrite', latencyUs },
    measure: (server, { sizeMib, runtimeS }) =>
      fio(new Array<string>(connections).fill(server.uri), {
        ...{ rw, depth, sizeMib, runtimeS, isOneClient: connections > 1 },
        blockBytes: kib * KIB,
      }),
  };
}

function bulkOfMany(connections: number): Metric {
  return {
    name: `bulk read 256K, ${connections} connections`,
    unit: 'MiB/s',
    moreIsBetter: true,
    server: { readOnly: true },
    measure: (server, { sizeMib, runtimeS }) =>
      fioMib(new Array<string>(connections).fill(server.uri), {
        ...({ rw: 'read', depth: 8, sizeMib, runtimeS, isOneClient: true } as const),
        blockBytes: 256 * KIB,
      }),
  };
}

function slow(metric: Metric): Metric {
  const { server } = metric;
  return { ...metric, name: `500 us: ${metric.name}`, server: { ...server, latencyUs: 500 } };
}

/** The same in a server that has done such work for a while. */
function warm(metric: Metric): Metric {
  return {
    ...metric,
    measure: (server, work) => whenWarm(() => metric.measure(server, work)),
  };
}

/** The same in a server that has done nothing yet: code that is not compiled counts, too. */
function fresh(metric: Metric): Metric {
  return { ...metric, name: `${metric.name}, fresh server` };
}

const read256K = bulk('read', 256, 64);
const write256K = bulk('write', 256, 64);
const read2M = bulk('read', 2048, 16);
const write2M = bulk('write', 2048, 16);

const bulkReadTls: Metric = {
  name: 'bulk read 256K, TLS',
  unit: 'MiB/s',
  moreIsBetter: true,
  server: { readOnly: true, tls: true },
  measure: ({ socket }, { pskFile, sizeMib }) =>
    copy(['--connections=1', tlsUri(socket, pskFile), 'null:'], sizeMib),
};

const start: Metric = {
  name: 'start to first reply',
  unit: 'ms',
  moreIsBetter: false,
  server: { readOnly: true },
  measure: ({ startMs }) => Promise.resolve(startMs),
};

const WARM: readonly Metric[] = [
  copying('read', '256K', read256K),
  copying('read', '2M', read2M),
  copying('write', '256K', write256K),
  small({ rw: 'randread', kib: 4, depth: 1 }),
  small({ rw: 'randread', kib: 4, depth: 4 }),
  small({ rw: 'randread', kib: 4, depth: 32 }),
  small({ rw: 'randwrite', kib: 4, depth: 1 }),
  small({ rw: 'randwrite', kib: 4, depth: 32 }),
  slow(small({ rw: 'read', kib: 64, depth: 1 })),
  slow(small({ rw: 'randread', kib: 4, depth: 32 })),
  slow(copying('read', '256K', read256K)),
  bulkOfMany(4),
  bulkOfMany(16),
  small({ rw: 'randread', kib: 4, depth: 8, connections: 4 }),
  small({ rw: 'randread', kib: 4, depth: 8, connections: 16 }),
  bulkReadTls,
  costOf('bulk read 256K', true, read256K),
  costOf('bulk write 256K', false, write256K),
  costOf('bulk read 2M', true, read2M),
];

const FRESH: readonly Metric[] = [
  copying('read', '256K', read256K),
  copying('write', '256K', write256K),
  small({ rw: 'randread', kib: 4, depth: 1 }),
  costOf('bulk read 256K', true, read256K),
  costOf('bulk write 256K', false, write256K),
];

export const METRICS: readonly Metric[] = [
  ...WARM.map(warm),
  ...FRESH.map(fresh),
  start,
  memoryOf('bulk read 2M', true, read2M),
  memoryOf('bulk write 2M', false, write2M),
];

/** The URI of a client with a pre-shared key. */
export function tlsUri(socket: string, pskFile: string): string {
  return `nbds+unix://bench@/?socket=${socket}&tls-psk-file=${pskFile}`;
}
