// `make bench-engine`: the built-in engine against qemu-nbd, both serving the same VMDK through the
// page cache (writeback). In every round each work runs once against each server, one directly
// after the other and in turns first; medians are shown, and the median of the ratios of the pairs
// (above 1: we are better). With BENCH_DIR on a disk that disk is measured, too; else it is memory.
// BENCH_REALTIME=1 gives both servers and their clients real-time priority, so that other work on
// the machine does not count. Settings: BENCH_ROUNDS, BENCH_SIZE_MIB, BENCH_RUNTIME_S, BENCH_ONLY
// (a part of "FORMAT WORK").
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import path from 'node:path';
import { FORMATS, type Format, makeEmpty, makeImage, writeSource } from './engine-images.js';
import { ENGINE_WORKS, type EngineWork, type WorkSettings } from './engine-work.js';
import { median, number, setting } from './figures.js';
import { IN_REAL_TIME } from './real-time.js';
import { RunningServer, type ServerKind } from './servers.js';

const RESULTS = 'build/bench/engine.json';

function ours(readOnly: string[]): ServerKind {
  return {
    name: 'vddk-nbd',
    command: ({ vmdk }, socket) => [
      ...([process.execPath, 'bin/run.js', 'serve', vmdk] as const),
      ...['engine=builtin', '-U', socket, ...readOnly],
    ],
  };
}

function peer(readOnly: string[]): ServerKind {
  return {
    name: 'qemu-nbd',
    command: ({ vmdk }, socket) => [
      ...(['qemu-nbd', '-t', '-f', 'vmdk', '-k', socket, ...readOnly] as const),
      ...['--cache=writeback', '--aio=threads', vmdk],
    ],
  };
}

interface Row {
  format: Format;
  work: string;
  unit: string;
  ours: number;
  peer: number;
  ratio: number;
  /** Of each round: our value and the peer's. */
  rounds: [number, number][];
}

async function measureOn(
  kind: ServerKind,
  vmdk: string,
  work: EngineWork,
  settings: WorkSettings,
): Promise<number> {
  const socket = path.join(path.dirname(vmdk), 'socket');
  const server = await RunningServer.start(kind, { vmdk, flat: vmdk }, socket);
  try {
    return await work.measure(server.uri, settings);
  } finally {
    await server.stop();
    rmSync(socket, { force: true });
  }
}

async function measureRow(
  directory: string,
  format: Format,
  work: EngineWork,
  settings: WorkSettings & { rounds: number },
): Promise<Row> {
  const image = path.join(directory, `${format}.vmdk`);
  const readOnly = format === 'streamOptimized' ? ['-r'] : [];
  const kinds = [ours(readOnly), peer(readOnly)] as const;
  const rounds: [number, number][] = [];
  for (let round = 0; round < settings.rounds; round += 1) {
    const pair: [number, number] = [0, 0];
    for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const vmdk = work.onEmptyDisk ? await makeEmpty(directory, format) : image;
      pair[index] = await measureOn(kinds[index], vmdk, work, settings);
    }
    rounds.push(pair);
  }
  return {
    format,
    work: work.name,
    unit: work.unit,
    ours: median(rounds.map((pair) => pair[0])),
    peer: median(rounds.map((pair) => pair[1])),
    ratio: median(rounds.map((pair) => pair[0] / pair[1])),
    rounds,
  };
}

function printRow({ format, work, unit, ours, peer, ratio }: Row): void {
  const cells = [format.padEnd(17), work.padEnd(28), unit.padEnd(6)];
  console.log(...cells, number(ours).padStart(7), number(peer).padStart(7), ratio.toFixed(2));
}

async function main(): Promise<void> {
  const rounds = setting('BENCH_ROUNDS', 3);
  const sizeMib = setting('BENCH_SIZE_MIB', 2048);
  const runtimeS = setting('BENCH_RUNTIME_S', 2);
  const only = process.env['BENCH_ONLY'] ?? '';
  const place = process.env['BENCH_DIR'] ?? '/dev/shm';
  const directory = mkdtempSync(path.join(place, 'vddk-nbd-bench-'));
  const settings = { source: path.join(directory, 'source.raw'), sizeMib, runtimeS, rounds };
  const rows: Row[] = [];
  try {
    writeSource(settings.source, sizeMib);
    for (const format of FORMATS) {
      const works = ENGINE_WORKS.filter(
        ({ name, formats }) => formats.includes(format) && `${format} ${name}`.includes(only),
      );
      if (works.length > 0) await makeImage(directory, settings.source, format);
      for (const work of works) {
        const row = await measureRow(directory, format, work, settings);
        rows.push(row);
        printRow(row);
      }
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  const machine = { cpu: cpus()[0]?.model, cpus: cpus().length, kernel: release() };
  const how = { rounds, sizeMib, runtimeS, place, cache: 'writeback', realTime: IN_REAL_TIME };
  mkdirSync(path.dirname(RESULTS), { recursive: true });
  writeFileSync(RESULTS, `${JSON.stringify({ machine, how, rows }, undefined, 2)}\n`);
  console.log(`\nThe last column is the ratio to qemu-nbd. Everything is in ${RESULTS}.`);
}

await main();
