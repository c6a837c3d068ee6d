// What was measured, as build/bench/results.json keeps it: a run of some rows replaces these rows
// and leaves the others, so that a full table can be made in several goes.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import path from 'node:path';
import { median } from './figures.js';

export const RESULTS = 'build/bench/results.json';

export interface Figure {
  median: number;
  min: number;
  max: number;
}

/** Ours against a peer, above 1 is better for us: of each pair, and so median and range. */
export type Ratio = Figure;

export interface Row {
  metric: string;
  unit: string;
  rounds: number;
  /** The most that other processes had of the machine, in processors. */
  foreign: number;
  figures: Record<string, Figure>;
  ratios: Record<string, Ratio>;
}

export interface Curve {
  name: string;
  title: string;
  xTitle: string;
  yTitle: string;
  points: { x: number; server: string; figure: Figure }[];
}

export interface Results {
  machine: Record<string, string | number>;
  settings: Record<string, string | number>;
  rows: Row[];
  growth: Curve[];
}

export function figureOf(values: readonly number[]): Figure {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

function versionOf(program: string | undefined): string {
  if (program === undefined) return 'none';
  try {
    return execFileSync(program, ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? '';
  } catch {
    return 'none';
  }
}

function machine(): Results['machine'] {
  return {
    cpu: cpus()[0]?.model ?? '',
    processors: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    nbdkit: versionOf('nbdkit'),
    'nbdkit vddk': versionOf(process.env['NBDKIT']),
    'qemu-nbd': versionOf('qemu-nbd'),
    nbdcopy: versionOf('nbdcopy'),
    fio: versionOf('fio'),
  };
}

/** What is there from earlier runs of the same settings on the same machine, or nothing. */
export function loadResults(settings: Results['settings']): Results {
  const fresh: Results = { machine: machine(), settings, rows: [], growth: [] };
  if (!existsSync(RESULTS)) return fresh;
  const old = JSON.parse(readFileSync(RESULTS, 'utf8')) as Partial<Results>;
  const isSame =
    JSON.stringify(old.machine) === JSON.stringify(fresh.machine) &&
    JSON.stringify(old.settings) === JSON.stringify(settings);
  return isSame ? { ...fresh, rows: old.rows ?? [], growth: old.growth ?? [] } : fresh;
}

export function saveResults(results: Results, file = RESULTS): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
}
