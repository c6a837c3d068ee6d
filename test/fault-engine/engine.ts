// Drives the fault engine through the real helper: images, starting, and the file of FAULT_STATE.
// The layout that is decoded here is the one in docs/fault-engine.md.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Test } from 'tap';
import { Driver, HELPER } from '../helper-c/driver.js';

const BUILD = path.resolve(path.dirname(HELPER), '..');
export const ENGINE = path.join(BUILD, 'fault/lib64/libvixDiskLib.so.8');
const BREACH_DRIVER = path.join(BUILD, 'tests/breach-driver');
/** Of every image made here. */
export const IMAGE_SECTORS = 65_536;

export const PLACES = [
  'InitEx',
  'ConnectEx',
  'Open',
  'GetInfo',
  'ReadAsync',
  'ReadCallback',
  'WriteAsync',
  'WriteCallback',
  'Flush',
  'QueryAllocatedBlocks',
  'Close',
  'Wait',
] as const;
export type Place = (typeof PLACES)[number];

const COUNTERS = [
  'magic',
  'inits',
  'generation',
  'crashes',
  'hangs',
  'errors',
  'lostBytes',
  'lateLanded',
  'lateFenced',
] as const;
export type State = Record<(typeof COUNTERS)[number], number> & { calls: Record<Place, number> };

/** A place for files that is removed after the test. */
export function directory(t: Test): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'fault-engine-'));
  t.teardown(() => {
    rmSync(dir, { recursive: true });
  });
  return dir;
}

/** A sparse image of IMAGE_SECTORS sectors that begins with `content`. */
export function newImage(t: Test, content: Buffer = Buffer.alloc(0)): string {
  const image = path.join(directory(t), 'disk.img');
  writeFileSync(image, content);
  const { status } = spawnSync('truncate', ['-s', String(IMAGE_SECTORS * 512), image]);
  if (status !== 0) throw new Error('truncate');
  return image;
}

export type Rules = string | string[];

/** A helper with these rules, and nothing said to it yet. */
export function newHelper(t: Test, rules: Rules, env: Record<string, string> = {}): Driver {
  return new Driver(t, {
    // Crashes before the helper has its own handlers are to be signals, not reports.
    env: {
      ASAN_OPTIONS: 'handle_segv=0:handle_abort=0',
      TSAN_OPTIONS: 'handle_segv=0:handle_abort=0:halt_on_error=1',
      FAULT: typeof rules === 'string' ? rules : rules.join('\n'),
      ...env,
    },
  });
}

/** A helper with the image open. */
export async function openHelper(
  t: Test,
  image: string,
  rules: Rules,
  env: Record<string, string> = {},
): Promise<Driver> {
  const helper = newHelper(t, rules, env);
  await openImage(helper, image);
  return helper;
}

/** HELLO, CONNECT and OPEN, all of which must succeed. */
export async function openImage(helper: Driver, image: string, flags = 0): Promise<void> {
  for (const result of [
    await helper.hello([ENGINE]),
    await helper.call('CONNECT', { readOnly: false }),
    await helper.call('OPEN', { path: image, flags }),
  ]) {
    if (result.vixError !== 0) throw new Error(JSON.stringify(result.fields));
  }
}

/** Closes in order and ends; what the helper exits with must be 0. */
export async function closeHelper(t: Test, helper: Driver): Promise<void> {
  t.equal((await helper.call('CLOSE')).vixError, 0, 'CLOSE');
  helper.end();
  t.same(await helper.ended, { code: 0, signal: null });
}

/** What FAULT_STATE says; nothing yet, if the engine has only just made the file. */
export function readState(file: string): State {
  const bytes = Buffer.concat([readFileSync(file), Buffer.alloc(28 * 8)]);
  const at = (index: number): number => Number(bytes.readBigUInt64LE(index * 8));
  return {
    ...(Object.fromEntries(COUNTERS.map((name, index) => [name, at(index)])) as Omit<
      State,
      'calls'
    >),
    calls: Object.fromEntries(PLACES.map((place, index) => [place, at(12 + index)])) as Record<
      Place,
      number
    >,
  };
}

/** A sector of an image file, as it is on disk now. */
export function sectorOf(image: string, sector: number): Buffer {
  return readFileSync(image).subarray(sector * 512, sector * 512 + 512);
}

/** A sector full of one byte. */
export function sectorFull(byte: number | string): Buffer {
  return Buffer.alloc(512, byte);
}

/** Waits until something is so; throws after ten seconds. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await sleep(5);
  }
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

/** Runs one case of the program that breaks the library's rules. */
export function breakRule(
  image: string,
  name: string,
  rules = '',
): { signal: NodeJS.Signals | null; stdout: string; stderr: string } {
  const { signal, stdout, stderr } = spawnSync(BREACH_DRIVER, [ENGINE, image, name], {
    encoding: 'utf8',
    timeout: 20_000,
    env: {
      ...process.env,
      ASAN_OPTIONS: 'handle_abort=0:detect_leaks=0',
      TSAN_OPTIONS: 'handle_abort=0:report_bugs=0',
      FAULT: rules,
    },
  });
  return { signal, stdout, stderr };
}
