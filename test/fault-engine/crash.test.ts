// Crashes and hangs, through the helper: at every place, of every kind, and each condition that
// says when. What is seen is the helper's end.
import { existsSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import type { Driver } from '../helper-c/driver.js';
import {
  closeHelper,
  directory,
  ENGINE,
  newHelper,
  newImage,
  openHelper,
  PLACES,
  readState,
  sectorFull,
  sectorOf,
  sleep,
  type Place,
} from './engine.js';

/** Makes every call that there is, in this order; returns when all are answered. */
async function liveThrough(helper: Driver, image: string): Promise<void> {
  await helper.hello([ENGINE]);
  await helper.call('CONNECT', { readOnly: false });
  await helper.call('OPEN', { path: image, flags: 0 });
  await helper.call('INFO');
  await helper.io(['READ', 0, 1, 0]);
  await helper.io(['WRITE', 0, 1, 0]);
  await helper.io(['FLUSH', 0, 0, 0]);
  await helper.call('ALLOCATED_BLOCKS', { startSector: 0, nrSectors: 128, chunkSectors: 128 });
  await helper.call('CLOSE');
}

/** What the library has been asked for when it comes to a place for the first time. */
const CALLED_BEFORE: Record<Place, Place[]> = {
  InitEx: [],
  ConnectEx: ['InitEx'],
  Open: ['InitEx', 'ConnectEx'],
  GetInfo: ['InitEx', 'ConnectEx', 'Open'],
  ReadAsync: ['Open', 'GetInfo'],
  ReadCallback: ['Open', 'ReadAsync'],
  WriteAsync: ['ReadAsync', 'ReadCallback'],
  WriteCallback: ['ReadCallback', 'WriteAsync'],
  Flush: ['WriteCallback', 'Wait'],
  QueryAllocatedBlocks: ['Flush', 'Wait'],
  Close: ['QueryAllocatedBlocks', 'Wait'],
  Wait: ['WriteCallback'],
};

t.test('a crash at every place', async (t) => {
  for (const place of PLACES) {
    const image = newImage(t);
    const FAULT_STATE = path.join(directory(t), 'state');
    const helper = newHelper(t, `crash=exit:42 at=${place}`, { FAULT_STATE });
    await t.rejects(liveThrough(helper, image), { message: /^helper ended/ });
    t.same(await helper.ended, { code: 42, signal: null }, place);
    const { crashes, calls } = readState(FAULT_STATE);
    t.equal(crashes, 1);
    t.equal(calls[place], 1, 'it has come there');
    for (const before of CALLED_BEFORE[place]) t.ok(calls[before] > 0, `${before} before`);
  }
});

t.test('every kind of crash', async (t) => {
  for (const [kind, code] of [
    ['segv', 139],
    ['abort', 134],
    ['exit', 1],
    ['exit:0', 0],
    ['exit:255', 255],
    ['panic', 70],
  ] as const) {
    const helper = await openHelper(t, newImage(t), `crash=${kind} at=Flush`);
    helper.sendIo(['FLUSH', 0, 0, 0]);
    t.same(await helper.ended, { code, signal: null }, kind);
    t.equal(helper.panics.length, kind === 'panic' ? 1 : 0);
  }
});

t.test('before the helper has handlers, a crash is a signal', async (t) => {
  for (const [kind, signal] of [
    ['segv', 'SIGSEGV'],
    ['abort', 'SIGABRT'],
  ] as const) {
    const helper = newHelper(t, `crash=${kind} at=InitEx`);
    helper.sendCall('HELLO', {
      version: 1,
      libraries: [ENGINE],
      libdir: '/',
      readArenaBytes: 4096,
      writeArenaBytes: 4096,
    });
    t.same(await helper.ended, { code: null, signal });
  }
});

t.test('a hang at every place', async (t) => {
  for (const place of PLACES) {
    const image = newImage(t);
    const FAULT_STATE = path.join(directory(t), 'state');
    const helper = newHelper(t, `hang at=${place}`, { FAULT_STATE });
    const life = liveThrough(helper, image).then(
      () => 'lived',
      () => 'ended',
    );
    while (!existsSync(FAULT_STATE) || readState(FAULT_STATE).hangs === 0) await sleep(2);
    t.equal(await Promise.race([life, sleep(20)]), undefined, `${place}: neither`);
    helper.process.kill('SIGKILL');
    t.equal(await life, 'ended');
    t.equal(readState(FAULT_STATE).calls[place], 1);
  }
});

/** How many reads of one sector are answered before the helper ends. */
async function readsUntilEnd(t: Test, rules: string, env = {}, sector = 5): Promise<number> {
  const helper = await openHelper(t, newImage(t), rules, env);
  const ids = Array.from({ length: 300 }, () => helper.sendIo(['READ', sector, 1, 0])[0]!);
  const { code } = await Promise.race([
    helper.ended,
    helper.answered(ids).then(
      () => ({ code: 0 }),
      () => ({ code: -1 }),
    ),
  ]);
  if (code === 0) return Infinity;
  await helper.ended;
  return helper.done.length;
}

/** Answers of what was completed may be lost in a crash, but then they are asked of the state. */
async function crashesAt(t: Test, rules: string, starts: number): Promise<number[]> {
  const FAULT_STATE = path.join(directory(t), 'state');
  const at: number[] = [];
  for (let i = 0; i < starts; i++) {
    await readsUntilEnd(t, rules, { FAULT_STATE });
    at.push(readState(FAULT_STATE).calls.ReadAsync);
  }
  return at;
}

t.test('nth, every, after, times, over restarts', async (t) => {
  t.same(await crashesAt(t, 'crash=segv nth=150', 3), [150, 450, 750], 'once, the 150th');
  t.same(await crashesAt(t, 'crash=segv every=150', 3), [150, 300, 450]);
  t.same(await crashesAt(t, 'crash=segv after=100', 3), [101, 202, 303], 'of each open');
  t.same(await crashesAt(t, 'crash=segv after=100 times=2', 3), [101, 202, 502]);
  t.same(await crashesAt(t, 'crash=segv once', 2), [1, 301]);
});

t.test('without a state file every process counts from one', async (t) => {
  for (let i = 0; i < 2; i++) {
    t.ok((await readsUntilEnd(t, 'crash=abort nth=10')) < 10);
    t.equal(await readsUntilEnd(t, 'crash=abort nth=301'), Infinity);
  }
});

t.test('at random, and again the same with the same seed', async (t) => {
  const first = await crashesAt(t, 'crash=abort p=0.02 seed=7', 4);
  t.same(await crashesAt(t, 'crash=abort p=0.02 seed=7', 4), first);
  t.notSame(await crashesAt(t, 'crash=abort p=0.02 seed=8', 4), first);
  t.ok(new Set(first.map((at, i) => at - (first[i - 1] ?? 0))).size > 1, 'not at one distance');
  t.same(await crashesAt(t, 'crash=abort p=1', 2), [1, 2]);
  t.ok(first[3]! < 4 * 300, `${first.join()}: about every 50`);
});

t.test('whenever a sector is touched', async (t) => {
  const image = newImage(t);
  const rules = 'crash=segv sector=1234+2';
  const touches = async (start: number, count: number): Promise<boolean> => {
    const helper = await openHelper(t, image, rules);
    helper.sendIo(['WRITE', start, count, 0]);
    const [id] = helper.sendIo(['READ', 0, 1, 0]);
    const crashed = await Promise.race([
      helper.ended.then(() => true),
      helper.answered([id!]).then(
        () => false,
        () => true,
      ),
    ]);
    helper.process.kill('SIGKILL');
    await helper.ended;
    return crashed;
  };
  t.notOk(await touches(1233, 1));
  t.ok(await touches(1233, 2));
  t.ok(await touches(1235, 100));
  t.notOk(await touches(1236, 100));
  t.ok(await touches(0, 4096));
});

t.test('only the disk that is meant', async (t) => {
  const image = newImage(t);
  t.equal(await readsUntilEnd(t, 'crash=segv disk=other'), Infinity);
  const helper = newHelper(t, `crash=exit:9 at=Open disk=${path.basename(image)}`);
  await t.rejects(liveThrough(helper, image));
  t.same(await helper.ended, { code: 9, signal: null });
});

t.test('before and after the bytes have moved', async (t) => {
  const image = newImage(t);
  for (const [place, byte] of [
    ['WriteAsync', 0],
    ['WriteCallback', 7],
  ] as const) {
    const helper = await openHelper(t, image, `crash=segv at=${place}`);
    helper.fill(0, sectorFull(7));
    helper.sendIo(['WRITE', 3, 1, 0]);
    t.equal((await helper.ended).code, 139);
    t.same(sectorOf(image, 3), sectorFull(byte), place);
  }
});

t.test('scribble', async (t) => {
  const image = newImage(t);
  const helper = await openHelper(t, image, [
    'complete=never sector=0',
    'crash=segv sector=9 scribble',
  ]);
  const around = 64 * 1024;
  const [first, second] = [1 << 20, 3 << 20];
  helper.sendIo(['READ', 0, 8, first], ['READ', 9, 1, second]);
  t.equal((await helper.ended).code, 139);
  const arena = helper.read(0, 8 << 20);
  for (const [at, bytes] of [
    [first, 4096],
    [second, 512],
  ] as const) {
    const from = at - around;
    const to = at + bytes + around;
    t.ok(
      arena.subarray(from, to).every((byte) => byte === 0xbd),
      'garbage around the buffer',
    );
    t.equal(arena[from - 1], 0, 'and not further');
    t.equal(arena[to], 0);
  }
  const quiet = await openHelper(t, image, 'crash=segv sector=9');
  quiet.sendIo(['READ', 9, 1, second]);
  t.equal((await quiet.ended).code, 139);
  t.ok(
    quiet.read(0, 8 << 20).every((byte) => byte === 0),
    'not without being told',
  );
});

t.test('no rules, no state: everything works', async (t) => {
  const image = newImage(t);
  const helper = await openHelper(t, image, '');
  t.same(await helper.io(['READ', 0, 1, 0], ['FLUSH', 0, 0, 0]), [0, 0]);
  await closeHelper(t, helper);
});
