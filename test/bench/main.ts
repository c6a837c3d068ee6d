// `make bench`: a paired benchmark. In every round each metric runs once against each server, one
// directly after the other, so that a busy machine hits all alike; medians are shown, and the
// median of the ratios of the pairs (above 1: we are better).
// Settings from the environment: BENCH_ROUNDS, BENCH_SIZE_MIB, BENCH_RUNTIME_S, BENCH_ONLY.
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { type Metric, METRICS, type Work } from './metrics.js';
import { type BenchDisk, RunningServer, SERVERS } from './servers.js';

const RESULTS = 'build/bench/results.json';

function setting(name: string, fallback: number): number {
  const value = Number(process.env[name] ?? fallback);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} must be a whole number`);
  return value;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** A directory in memory if there is room for disk and source, so that no storage is measured. */
function workDirectory(sizeMib: number): string {
  const memory = '/dev/shm';
  const { bavail, bsize } = statfsSync(memory);
  const fits = (bavail * bsize) / 2 ** 20 > sizeMib * 2.5;
  return mkdtempSync(path.join(fits ? memory : tmpdir(), 'vddk-nbd-bench-'));
}

async function makeDisk(directory: string, sizeMib: number): Promise<[BenchDisk, string]> {
  const source = path.join(directory, 'source.raw');
  const vmdk = path.join(directory, 'disk.vmdk');
  await execa('dd', [
    'if=/dev/urandom',
    `of=${source}`,
    'bs=1M',
    `count=${sizeMib}`,
    'status=none',
  ]);
  const options = ['-O', 'vmdk', '-o', 'subformat=monolithicFlat'];
  await execa('qemu-img', ['convert', ...options, source, vmdk]);
  return [{ vmdk, flat: path.join(directory, 'disk-flat.vmdk') }, source];
}

/** One value per server, in the order of SERVERS. */
async function runOnce(metric: Metric, disk: BenchDisk, work: Work): Promise<number[]> {
  const values: number[] = [];
  for (const [index, kind] of SERVERS.entries()) {
    const socket = path.join(path.dirname(disk.vmdk), `socket-${index}`);
    const server = await RunningServer.start(kind, disk, socket);
    try {
      values.push(await metric.measure(server, work));
    } finally {
      await server.stop();
      rmSync(socket, { force: true });
    }
  }
  return values;
}

interface Row {
  metric: string;
  unit: string;
  medians: Record<string, number>;
  ratios: Record<string, number>;
  rounds: number[][];
}

function rowOf(metric: Metric, rounds: number[][]): Row {
  const medians: Record<string, number> = {};
  const ratios: Record<string, number> = {};
  for (const [index, { name }] of SERVERS.entries()) {
    medians[name] = median(rounds.map((values) => values[index] ?? NaN));
    if (index === 0) continue;
    const pairs = rounds.map(([ours = NaN, ...peers]) => {
      const ratio = ours / (peers[index - 1] ?? NaN);
      return metric.moreIsBetter ? ratio : 1 / ratio;
    });
    ratios[name] = median(pairs);
  }
  return { metric: metric.name, unit: metric.unit, medians, ratios, rounds };
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function printRow(row: Row): void {
  const cells = [row.metric.padEnd(32), row.unit.padEnd(6)];
  for (const { name } of SERVERS) {
    const ratio = row.ratios[name];
    const text = number(row.medians[name] ?? NaN);
    cells.push((ratio === undefined ? text : `${text} (${ratio.toFixed(2)}x)`).padEnd(20));
  }
  console.log(cells.join(' ').trimEnd());
}

async function main(): Promise<void> {
  const rounds = setting('BENCH_ROUNDS', 3);
  const sizeMib = setting('BENCH_SIZE_MIB', 1024);
  const runtimeS = setting('BENCH_RUNTIME_S', 3);
  const only = process.env['BENCH_ONLY'] ?? '';
  const directory = workDirectory(sizeMib);
  const rows: Row[] = [];
  try {
    const [disk, source] = await makeDisk(directory, sizeMib);
    console.log(
      `${' '.repeat(40)}${SERVERS.map(({ name }) => name.padEnd(21))
        .join('')
        .trimEnd()}`,
    );
    for (const metric of METRICS.filter(({ name }) => name.includes(only))) {
      const values: number[][] = [];
      for (let round = 0; round < rounds; round += 1) {
        values.push(await runOnce(metric, disk, { source, sizeMib, runtimeS }));
      }
      const row = rowOf(metric, values);
      rows.push(row);
      printRow(row);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  const machine = { cpu: cpus()[0]?.model, cpus: cpus().length, kernel: release() };
  const settings = { rounds, sizeMib, runtimeS, node: process.version };
  mkdirSync(path.dirname(RESULTS), { recursive: true });
  writeFileSync(RESULTS, `${JSON.stringify({ machine, settings, rows }, undefined, 2)}\n`);
  console.log(`\nRatios: above 1 is better for vddk-nbd. Everything is in ${RESULTS}.`);
}

await main();
