// Lost and late writes: a cache that a crash empties, a flush that lies, and a dead session whose
// writes land until somebody else has the lock.
import path from 'node:path';
import t, { type Test } from 'tap';
import type { Driver } from '../helper-c/driver.js';
import {
  closeHelper,
  directory,
  ENGINE,
  eventually,
  newHelper,
  newImage,
  openHelper,
  readState,
  sectorFull,
  sectorOf,
  sleep,
  type Rules,
} from './engine.js';

/** Writes a sector full of a byte; the answer. */
async function write(helper: Driver, sector: number, byte: number): Promise<number | bigint> {
  helper.fill(sector * 512, sectorFull(byte));
  return (await helper.io(['WRITE', sector, 1, sector * 512]))[0]!;
}

/** Reads a sector; its first byte if all are the same. */
async function read(helper: Driver, sector: number): Promise<number | undefined> {
  if ((await helper.io(['READ', sector, 1, 0]))[0] !== 0) throw new Error('READ');
  const bytes = helper.read(0, 512);
  return bytes.equals(sectorFull(bytes[0]!)) ? bytes[0] : undefined;
}

const flush = async (helper: Driver): Promise<number | bigint> =>
  (await helper.io(['FLUSH', 0, 0, 0]))[0]!;

t.test('volatile: reads see it, a crash loses it, a flush keeps it', async (t) => {
  const image = newImage(t);
  const FAULT_STATE = path.join(directory(t), 'state');
  const rules = ['volatile', 'crash=segv sector=99'];
  const helper = await openHelper(t, image, rules, { FAULT_STATE });
  t.equal(await write(helper, 1, 11), 0);
  t.equal(await flush(helper), 0);
  t.equal(await write(helper, 1, 22), 0);
  t.equal(await write(helper, 2, 22), 0);
  t.equal(await read(helper, 1), 22);
  t.same(sectorOf(image, 1), sectorFull(11), 'not in the file');
  helper.sendIo(['READ', 99, 1, 0]);
  t.equal((await helper.ended).code, 139);
  t.equal(readState(FAULT_STATE).lostBytes, 1024);
  const next = await openHelper(t, image, rules);
  t.equal(await read(next, 1), 11, 'as it was flushed');
  t.equal(await read(next, 2), 0);
  await write(next, 3, 33);
  next.process.kill('SIGKILL');
  await next.ended;
  t.same(sectorOf(image, 3), sectorFull(0), 'however it dies');
});

t.test('volatile: an orderly Close keeps it, and so does a full cache', async (t) => {
  const image = newImage(t);
  const helper = await openHelper(t, image, 'volatile=1K');
  await write(helper, 1, 1);
  await write(helper, 2, 2);
  t.same(sectorOf(image, 1), sectorFull(0));
  await write(helper, 3, 3);
  t.same(sectorOf(image, 1), sectorFull(1), 'more than it holds');
  await write(helper, 4, 4);
  t.same(sectorOf(image, 4), sectorFull(0));
  await closeHelper(t, helper);
  t.same(sectorOf(image, 4), sectorFull(4));
});

t.test('a flush that fails, then says OK, and has lost the writes', async (t) => {
  const image = newImage(t);
  const FAULT_STATE = path.join(directory(t), 'state');
  const rules = ['volatile', 'flush=fail-then-ok'];
  const helper = await openHelper(t, image, rules, { FAULT_STATE });
  await write(helper, 1, 1);
  t.equal(await flush(helper), 7);
  t.equal(await flush(helper), 0);
  t.equal(readState(FAULT_STATE).lostBytes, 512);
  t.equal(await read(helper, 1), 0, 'gone, though the last flush succeeded');
  await write(helper, 2, 2);
  t.equal(await flush(helper), 0, 'once');
  t.same(sectorOf(image, 2), sectorFull(2));
});

/** Begins a write that doesn't complete, then the helper is dead. */
async function dieWriting(t: Test, image: string, rules: Rules, env = {}): Promise<void> {
  const helper = await openHelper(t, image, rules, env);
  helper.fill(0, sectorFull(5));
  helper.sendIo(['WRITE', 7, 1, 0]);
  await helper.io(['READ', 1, 1, 0]);
  helper.process.kill('SIGKILL');
  await helper.ended;
}

const HANGING = 'complete=never sector=7';

t.test('late-write: a write in flight lands after its session is dead', async (t) => {
  const FAULT_STATE = path.join(directory(t), 'state');
  const image = newImage(t);
  await dieWriting(t, image, ['late-write=200ms', HANGING], { FAULT_STATE });
  t.same(sectorOf(image, 7), sectorFull(0), 'not yet');
  await eventually(() => readState(FAULT_STATE).lateLanded === 1, 'it lands');
  t.same(sectorOf(image, 7), sectorFull(5));
  const other = newImage(t);
  await dieWriting(t, other, HANGING);
  await sleep(50);
  t.same(sectorOf(other, 7), sectorFull(0), 'not without the rule');
});

t.test('late-write: after a crash of the engine itself', async (t) => {
  const FAULT_STATE = path.join(directory(t), 'state');
  const image = newImage(t);
  // Long enough for the kernel to take a dead process's lock away, however busy it is.
  const helper = await openHelper(t, image, ['late-write=300ms', 'crash=segv sector=7'], {
    FAULT_STATE,
  });
  helper.fill(0, sectorFull(6));
  helper.sendIo(['WRITE', 7, 1, 0]);
  t.equal((await helper.ended).code, 139);
  await eventually(() => readState(FAULT_STATE).lateLanded === 1, 'it lands');
  t.same(sectorOf(image, 7), sectorFull(6));
});

t.test('late-write: the lock of the next session is the fence', async (t) => {
  const FAULT_STATE = path.join(directory(t), 'state');
  const image = newImage(t);
  await dieWriting(t, image, ['late-write=300ms', HANGING], { FAULT_STATE });
  const next = await openHelper(t, image, '', { FAULT_STATE });
  t.equal(await write(next, 7, 9), 0);
  await eventually(() => readState(FAULT_STATE).lateFenced === 1, 'it is kept away');
  t.equal(await read(next, 7), 9);
  t.equal(readState(FAULT_STATE).lateLanded, 0);
  t.equal(readState(FAULT_STATE).generation, 2);
});

t.test('late-write: the fence stands when the next session has come and gone', async (t) => {
  const FAULT_STATE = path.join(directory(t), 'state');
  const image = newImage(t);
  await dieWriting(t, image, ['late-write=500ms', HANGING], { FAULT_STATE });
  const next = await openHelper(t, image, '', { FAULT_STATE });
  t.equal(await write(next, 7, 9), 0);
  await next.call('CLOSE');
  await eventually(() => readState(FAULT_STATE).lateFenced === 1, 'it is kept away');
  t.same(sectorOf(image, 7), sectorFull(9));
});

t.test('late-write: without locks it destroys what the next session wrote', async (t) => {
  const FAULT_STATE = path.join(directory(t), 'state');
  const image = newImage(t);
  await dieWriting(t, image, ['late-write=300ms', 'nolock', HANGING], { FAULT_STATE });
  const next = await openHelper(t, image, 'nolock', { FAULT_STATE });
  t.equal(await write(next, 7, 9), 0);
  await eventually(() => readState(FAULT_STATE).lateLanded === 1, 'it lands');
  t.equal(await read(next, 7), 5);
});

t.test('late-write hold: the dead session keeps the lock until it is done', async (t) => {
  const FAULT_STATE = path.join(directory(t), 'state');
  const image = newImage(t);
  await dieWriting(t, image, ['late-write=300ms hold', HANGING], { FAULT_STATE });
  const next = newHelper(t, '');
  await next.hello([ENGINE]);
  await next.call('CONNECT', { readOnly: false });
  const open = async (): Promise<unknown> =>
    (await next.call('OPEN', { path: image, flags: 0 })).vixError;
  t.equal(await open(), 15, 'locked');
  await eventually(() => readState(FAULT_STATE).lateLanded === 1, 'it lands');
  await sleep(50);
  t.equal(await open(), 0);
  t.equal(await read(next, 7), 5);
});

t.test('late-write: nothing is left of a disk that was closed', async (t) => {
  const image = newImage(t);
  const helper = await openHelper(t, image, 'late-write=10s hold');
  t.equal(await write(helper, 7, 1), 0);
  await closeHelper(t, helper);
  const next = await openHelper(t, image, '');
  t.equal(await read(next, 7), 1, 'nor is it locked');
});
