// How figures grow with connections, disks, the size of requests and the size of the disk; each
// series becomes a plot. Ours and nbdkit's vddk plugin, if there is one.
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import { fio, fioMib } from './clients.js';
import { type Measured, measureOn, whenWarm } from './measure.js';
import { type ServerSettings, serversFor } from './peers.js';
import { RunningServer, type ServerKind } from './servers.js';

const KIB = 1024;

export interface Point {
  x: number;
  measure: (kind: ServerKind, settings: GrowthSettings) => Promise<Measured>;
}

export interface GrowthSettings {
  /** A raw file. */
  disk: string;
  sizeMib: number;
  runtimeS: number;
}

export interface Series {
  /** Also the name of its plot's file. */
  name: string;
  title: string;
  xTitle: string;
  yTitle: string;
  points: readonly Point[];
}

const READ_ONLY: ServerSettings = { readOnly: true };

export function growthServers(): ServerKind[] {
  return serversFor(READ_ONLY).filter(({ name }) => name.includes('vddk'));
}

function on(disk: string): { vmdk: string; flat: string } {
  return { vmdk: disk, flat: disk };
}

function connections(count: number, blockKib: number): Point {
  return {
    x: count,
    measure: (kind, { disk, sizeMib, runtimeS }) =>
      measureOn(kind, on(disk), ({ uri }) => {
        const uris = new Array<string>(count).fill(uri);
        const blockBytes = blockKib * KIB;
        const work = { sizeMib, runtimeS, blockBytes, depth: 4, isOneClient: count > 1 };
        return whenWarm(() =>
          blockKib === 4
            ? fio(uris, { ...work, rw: 'randread' })
            : fioMib(uris, { ...work, rw: 'read' }),
        );
      }),
  };
}

/** As many disks, each with a client. nbdkit serves one disk, so there it is as many servers. */
function disks(count: number): Point {
  return {
    x: count,
    measure: async (kind, { disk, sizeMib, runtimeS }) => {
      const servers: RunningServer[] = [];
      try {
        const uris = await startDisks(kind, disk, count, servers);
        const work = { sizeMib, runtimeS, blockBytes: 4 * KIB, depth: 8, rw: 'randread' } as const;
        return { value: await whenWarm(() => fio(uris, work)), foreign: 0 };
      } finally {
        await Promise.all(servers.map((server) => server.stop()));
        // nbdkit leaves its sockets.
        for (const { socket } of servers) rmSync(socket, { force: true });
      }
    },
  };
}

async function startDisks(
  kind: ServerKind,
  disk: string,
  count: number,
  servers: RunningServer[],
): Promise<string[]> {
  const socketOf = (index: number): string => path.join(path.dirname(disk), `s${index}`);
  if (kind.name !== 'vddk-nbd') {
    for (let index = 0; index < count; index += 1) {
      servers.push(await RunningServer.start(kind, on(disk), socketOf(index)));
    }
    return servers.map(({ uri }) => uri);
  }
  const exports = Array.from({ length: count - 1 }, (_, index) => [
    '--export',
    `d${index + 1}=${disk}`,
  ]).flat();
  const many: ServerKind = {
    ...kind,
    command: (it, socket) => [...kind.command(it, socket), ...exports],
  };
  servers.push(await RunningServer.start(many, on(disk), socketOf(0)));
  const name = (index: number): string => (index === 0 ? '' : `d${index}`);
  return Array.from(
    { length: count },
    (_, index) => `nbd+unix:///${name(index)}?socket=${socketOf(0)}`,
  );
}

function requestBytes(bytes: number): Point {
  return {
    x: bytes,
    measure: (kind, { disk, sizeMib, runtimeS }) =>
      measureOn(kind, on(disk), ({ uri }) =>
        whenWarm(() =>
          fioMib([uri], { rw: 'read', blockBytes: bytes, depth: 4, sizeMib, runtimeS }),
        ),
      ),
  };
}

/** A sparse disk with a little data in it. */
function emptyDisk(directory: string, gib: number): string {
  const file = path.join(directory, 'large.raw');
  writeFileSync(file, Buffer.alloc(64 * KIB, 1));
  truncateSync(file, gib * 2 ** 30);
  return file;
}

function sizeOfDisk(gib: number, what: 'map' | 'start'): Point {
  return {
    x: gib,
    measure: (kind, { disk }) =>
      measureOn(kind, on(emptyDisk(path.dirname(disk), gib)), async ({ startMs, uri }) => {
        if (what === 'start') return startMs;
        const startedMs = performance.now();
        await execa('nbdinfo', ['--map', uri]);
        return performance.now() - startedMs;
      }),
  };
}

const SIZES_GIB = [1, 64, 1024, 16 * 1024, 62 * 1024];

export const GROWTH: readonly Series[] = [
  {
    name: 'connections-bulk',
    title: 'Bulk read 256K',
    xTitle: 'connections to one disk',
    yTitle: 'MiB/s',
    points: [1, 4, 16, 64].map((count) => connections(count, 256)),
  },
  {
    name: 'connections-random',
    title: 'Random read 4K, depth 4 for each connection',
    xTitle: 'connections to one disk',
    yTitle: 'IOPS',
    points: [1, 4, 16, 64].map((count) => connections(count, 4)),
  },
  {
    name: 'disks',
    title: 'Random read 4K, depth 8 for each disk',
    xTitle: 'disks',
    yTitle: 'IOPS',
    points: [1, 4, 16].map(disks),
  },
  {
    name: 'request-size',
    title: 'Sequential read, depth 4',
    xTitle: 'bytes of a request',
    yTitle: 'MiB/s',
    points: [512, 4096, 32_768, 262_144, 2_097_152, 8_388_608, 33_554_432].map(requestBytes),
  },
  {
    name: 'disk-size-map',
    title: 'nbdinfo --map of an empty disk',
    xTitle: 'GiB of the disk',
    yTitle: 'ms',
    points: SIZES_GIB.map((gib) => sizeOfDisk(gib, 'map')),
  },
  {
    name: 'disk-size-start',
    title: 'Start to the first reply',
    xTitle: 'GiB of the disk',
    yTitle: 'ms',
    points: SIZES_GIB.map((gib) => sizeOfDisk(gib, 'start')),
  },
];
