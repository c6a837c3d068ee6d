// What chaos and proofs have in common: images, the server over the fault engine, and the figures
// that its log gives. FULL is the long form of a proof; the short one runs in CI.
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { REPO } from '../lib/serve.js';

export const MIB = 1024 * 1024;

/** PROOF=full in the environment. */
export const FULL = process.env['PROOF'] === 'full';

/** Every read of a client is one of the library: nothing that it must fail is kept. */
export const UNCACHED = ['--cache=off', '--readahead=off'];

export const FAULT_LIBDIR = `libdir=${path.join(REPO, 'build/fault')}`;

/** A file of `sizeBytes` random bytes. */
export function writeRandom(file: string, sizeBytes: number): void {
  const fd = openSync(file, 'w');
  const chunk = Buffer.allocUnsafe(8 * MIB);
  for (let atBytes = 0; atBytes < sizeBytes; atBytes += chunk.length) {
    const lengthBytes = Math.min(chunk.length, sizeBytes - atBytes);
    writeSync(fd, randomFillSync(chunk), 0, lengthBytes);
  }
  closeSync(fd);
}

/** What the log of one server says. */
export interface Figures {
  /** Helpers that were replaced, and how long each replacement took. */
  replacedMs: number[];
  replayed: number;
  hung: number;
  convicted: number;
}

export function figuresOf(stderr: string): Figures {
  const replaced = [
    ...stderr.matchAll(/helper replaced after (\d+) ms .*?; (\d+) requests replayed/g),
  ];
  return {
    replacedMs: replaced.map((match) => Number(match[1])),
    replayed: replaced.reduce((sum, match) => sum + Number(match[2]), 0),
    hung: stderr.split('(has hung in').length - 1,
    convicted: stderr.split('the library dies of it').length - 1,
  };
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** `12 deaths, 30 requests replayed, replaced in 8 ms (median), 20 ms (p99)`. */
export function describe({ replacedMs, replayed, hung, convicted }: Figures): string {
  const [median, p99] = [percentile(replacedMs, 0.5), percentile(replacedMs, 0.99)];
  const times = `${median} ms (median), ${p99} ms (p99)`;
  return (
    `${replacedMs.length} deaths (${hung} hangs), ${replayed} requests replayed, ` +
    `replaced in ${times}, ${convicted} convicted`
  );
}

export function sameContent(a: string, b: string): boolean {
  return readFileSync(a).equals(readFileSync(b));
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));
