// `make bench`: a paired benchmark. In every round each row runs once against each server, one
// directly after the other, so that a busy machine hits all alike; shown are medians, and the
// median of the ratios of the pairs (above 1: we are better).
// Settings from the environment: BENCH_ROUNDS, BENCH_GROWTH_ROUNDS, BENCH_SIZE_MIB,
// BENCH_RUNTIME_S; BENCH_ONLY is a comma-separated list of parts of names; BENCH_PATIENCE is how
// often a disturbed round is made again; BENCH_REALTIME=1 is for a machine that is not idle.
// "pages" as an argument measures nothing and writes the pages.
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { median, number, setting } from './figures.js';
import { GROWTH, growthServers, type GrowthSettings, type Series } from './growth.js';
import { type Measured, measureOn, undisturbed } from './measure.js';
import { type Metric, METRICS, tlsUri, type Work } from './metrics.js';
import { writePages } from './pages.js';
import { serversFor } from './peers.js';
import { writePlots } from './plots.js';
import { IN_REAL_TIME } from './real-time.js';
import {
  type Curve,
  figureOf,
  loadResults,
  RESULTS,
  type Results,
  type Row,
  saveResults,
} from './results.js';

interface Settings extends Record<string, number> {
  realTime: number;
  rounds: number;
  sizeMib: number;
  runtimeS: number;
}

const patience = Number(process.env['BENCH_PATIENCE'] ?? 2);

/** A directory in memory if there is room for disk and source, so that no storage is measured. */
function workDirectory(sizeMib: number): string {
  const memory = '/dev/shm';
  const { bavail, bsize } = statfsSync(memory);
  const fits = (bavail * bsize) / 2 ** 20 > sizeMib * 2.5;
  return mkdtempSync(path.join(fits ? memory : tmpdir(), 'vddk-nbd-bench-'));
}

async function makeFile(file: string, sizeMib: number): Promise<string> {
  const to = [`of=${file}`, 'bs=1M', `count=${sizeMib}`, 'status=none'];
  await execa('dd', ['if=/dev/urandom', ...to]);
  return file;
}

async function measureRow(metric: Metric, disk: string, work: Work, rounds: number): Promise<Row> {
  const { tls = false, ...settings } = metric.server;
  const kinds = serversFor({ ...settings, ...(tls && { pskFile: work.pskFile }) });
  const probe = (uri: string): [string, ...string[]] => {
    const socket = uri.slice(uri.indexOf('=') + 1);
    return ['nbdinfo', '--size', tls ? tlsUri(socket, work.pskFile) : uri];
  };
  const values: Measured[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    const once = async (): Promise<Measured[]> => {
      const measured: Measured[] = [];
      for (const kind of kinds) {
        const on = { vmdk: disk, flat: disk };
        measured.push(await measureOn(kind, on, (server) => metric.measure(server, work), probe));
      }
      return measured;
    };
    values.push(await undisturbed(once, patience));
  }
  return rowOf(
    metric,
    kinds.map(({ name }) => name),
    values,
  );
}

function rowOf(metric: Metric, servers: readonly string[], rounds: readonly Measured[][]): Row {
  const row: Row = {
    metric: metric.name,
    unit: metric.unit,
    rounds: rounds.length,
    foreign: Math.max(...rounds.flat().map(({ foreign }) => foreign)),
    figures: {},
    ratios: {},
  };
  for (const [index, server] of servers.entries()) {
    const own = rounds.map((values) => values[index]?.value ?? NaN);
    row.figures[server] = figureOf(own);
    if (index === 0) continue;
    const pairs = rounds.map((values, round) => {
      const ratio = (values[0]?.value ?? NaN) / (own[round] ?? NaN);
      return metric.moreIsBetter ? ratio : 1 / ratio;
    });
    row.ratios[server] = figureOf(pairs);
  }
  return row;
}

function printRow({ metric, unit, figures, ratios, foreign }: Row): void {
  const cells = Object.entries(figures).map(([server, figure]) => {
    const ratio = ratios[server];
    const text = number(figure.median);
    return `${server} ${text}${ratio === undefined ? '' : ` (${ratio.median.toFixed(2)}x)`}`;
  });
  console.log(
    `${metric.padEnd(44)} ${unit.padEnd(6)} ${cells.join('  ')}  [${foreign.toFixed(2)}]`,
  );
}

async function measureCurve(
  series: Series,
  settings: GrowthSettings,
  rounds: number,
): Promise<Curve> {
  const { name, title, xTitle, yTitle, points } = series;
  const curve: Curve = { name, title, xTitle, yTitle, points: [] };
  const kinds = growthServers();
  for (const { x, measure } of points) {
    const values = kinds.map(() => [] as number[]);
    for (let round = 0; round < rounds; round += 1) {
      for (const [index, kind] of kinds.entries()) {
        values[index]?.push((await measure(kind, settings)).value);
      }
    }
    for (const [index, { name: server }] of kinds.entries()) {
      curve.points.push({ x, server, figure: figureOf(values[index] ?? []) });
    }
    const shown = kinds.map(({ name: server }, index) => {
      return `${server} ${number(median(values[index] ?? []))}`;
    });
    console.log(`${title}, ${x} ${xTitle}: ${shown.join('  ')} ${yTitle}`);
  }
  return curve;
}

function isWanted(name: string): boolean {
  const only = (process.env['BENCH_ONLY'] ?? '').split(',').filter((part) => part !== '');
  return only.length === 0 || only.some((part) => name.includes(part));
}

/** Replaces what has the same name, or adds it; in the order of `names`. */
function put<T>(list: T[], item: T, nameOf: (item: T) => string, names: readonly string[]): void {
  const at = list.findIndex((other) => nameOf(other) === nameOf(item));
  if (at === -1) list.push(item);
  else list[at] = item;
  list.sort((a, b) => names.indexOf(nameOf(a)) - names.indexOf(nameOf(b)));
}

async function measureAll(results: Results, { rounds, sizeMib, runtimeS }: Settings) {
  const directory = workDirectory(sizeMib);
  try {
    const disk = await makeFile(path.join(directory, 'disk.raw'), sizeMib);
    const source = await makeFile(path.join(directory, 'source.raw'), sizeMib);
    const pskFile = path.join(directory, 'keys.psk');
    writeFileSync(pskFile, `bench:${'0123456789abcdef'.repeat(4)}\n`, { mode: 0o600 });
    const work = { source, sizeMib, runtimeS, pskFile };
    const metricNames = METRICS.map(({ name }) => name);
    for (const metric of METRICS.filter(({ name }) => isWanted(name))) {
      const row = await measureRow(metric, disk, work, rounds);
      printRow(row);
      put(results.rows, row, ({ metric: name }) => name, metricNames);
      saveResults(results);
    }
    const growthRounds = setting('BENCH_GROWTH_ROUNDS', 3);
    const curveNames = GROWTH.map(({ name }) => name);
    for (const series of GROWTH.filter(({ name }) => isWanted(`growth ${name}`))) {
      const curve = await measureCurve(series, { disk, sizeMib, runtimeS }, growthRounds);
      put(results.growth, curve, ({ name }) => name, curveNames);
      saveResults(results);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function main(): Promise<void> {
  const settings: Settings = {
    rounds: setting('BENCH_ROUNDS', 5),
    sizeMib: setting('BENCH_SIZE_MIB', 1024),
    runtimeS: setting('BENCH_RUNTIME_S', 2),
    realTime: Number(IN_REAL_TIME),
  };
  mkdirSync(path.dirname(RESULTS), { recursive: true });
  const results = loadResults(settings);
  if (process.argv[2] === 'pages') {
    await writePages(results);
    return;
  }
  await measureAll(results, settings);
  await writePlots(results.growth, path.dirname(RESULTS));
  console.log(`\nRatios: above 1 is better for vddk-nbd. Everything is in ${RESULTS}.`);
}

await main();
