// The engine without faults, and faults of time and order: delays, bandwidth, completions.
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { Driver, IoRequest } from '../helper-c/driver.js';
import {
  closeHelper,
  ENGINE,
  IMAGE_SECTORS,
  newHelper,
  newImage,
  openHelper,
  sleep,
} from './engine.js';

/** Writes and reads random bytes in many pieces, and compares, also with the file. */
async function works(t: Test, helper: Driver, image: string): Promise<void> {
  const bytes = randomBytes(64 * 4096);
  helper.fill(0, bytes);
  const pieces = Array.from({ length: 64 }, (_, i) => i);
  const writes = pieces.map((i): IoRequest => ['WRITE', 100 + i * 8, 8, i * 4096]);
  const reads = pieces.map((i): IoRequest => ['READ', 100 + i * 8, 8, i * 4096]);
  const zeroes = pieces.map(() => 0);
  t.same(await helper.io(...writes), zeroes);
  t.same(await helper.io(...reads), zeroes);
  t.ok(helper.read(0, bytes.length).equals(bytes), 'what was written is read');
  t.same(await helper.io(['FLUSH', 0, 0, 0]), [0]);
  t.ok(
    readFileSync(image)
      .subarray(100 * 512)
      .subarray(0, bytes.length)
      .equals(bytes),
    'file',
  );
}

async function elapsedMs(what: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await what();
  return performance.now() - begin;
}

t.test('reads and writes, however they are completed', async (t) => {
  for (const rules of [
    '',
    'check',
    'check; complete=inline',
    'check; complete=late',
    'check; complete=shuffle',
    'check; delay=2ms; bandwidth=100M',
    'check; volatile',
    'check; volatile=16K; complete=shuffle',
    'late-write=1ms; complete=late',
    'error=1 disk=other',
  ]) {
    const image = newImage(t);
    const helper = await openHelper(t, image, rules);
    await works(t, helper, image);
    await closeHelper(t, helper);
  }
});

t.test('the disk', async (t) => {
  const image = newImage(t, Buffer.alloc(200 * 512, 1));
  const info = async (env: Record<string, string>): Promise<object> => {
    const helper = await openHelper(t, image, '', env);
    const { fields } = await helper.call('INFO');
    await closeHelper(t, helper);
    return fields;
  };
  t.match(await info({}), {
    capacitySectors: IMAGE_SECTORS,
    logicalSectorBytes: 512,
    physicalSectorBytes: 4096,
    uuid: '60 00 c2 90 00 00 00 00-00 00 00 00 00 00 00 00',
  });
  t.match(
    await info({ FAULT_UUID: 'x y', FAULT_LOGICAL_SECTOR: '4096', FAULT_PHYSICAL_SECTOR: '512' }),
    { logicalSectorBytes: 4096, physicalSectorBytes: 512, uuid: 'x y' },
  );
  const helper = newHelper(t, '', { FAULT_TRANSPORT: 'nbdssl' });
  await helper.hello([ENGINE]);
  await helper.call('CONNECT', { readOnly: false });
  t.same((await helper.call('OPEN', { path: image, flags: 4 })).fields, {
    transportMode: 'nbdssl',
  });
  t.same(await helper.io(['READ', 0, 1, 0], ['WRITE', 0, 1, 0]), [0, 11], 'read-only');
});

t.test('allocated blocks', async (t) => {
  const image = newImage(t, Buffer.alloc(200 * 512, 1));
  const helper = await openHelper(t, image, '');
  await helper.io(['WRITE', 5000, 1, 0], ['WRITE', IMAGE_SECTORS - 1, 1, 0]);
  const blocks = async (startSector: number, nrSectors: number): Promise<unknown> =>
    (await helper.call('ALLOCATED_BLOCKS', { startSector, nrSectors, chunkSectors: 128 })).fields[
      'blocks'
    ];
  t.same(await blocks(0, IMAGE_SECTORS), [0, 256, 4992, 128, 65_408, 128]);
  t.same(await blocks(128, 128), [128, 128]);
  t.same(await blocks(256, 4096), []);
  t.equal(
    (
      await helper.call('ALLOCATED_BLOCKS', {
        startSector: IMAGE_SECTORS,
        nrSectors: 128,
        chunkSectors: 128,
      })
    ).vixError,
    3,
  );
  const cached = await openHelper(t, newImage(t), 'volatile');
  await cached.io(['WRITE', 5000, 1, 0]);
  t.same(
    (await cached.call('ALLOCATED_BLOCKS', { startSector: 0, nrSectors: 128, chunkSectors: 128 }))
      .fields['blocks'],
    [0, 128],
    'what is only in memory is data',
  );
});

t.test('files that are not there, not allowed, or locked', async (t) => {
  const image = newImage(t);
  const open = async (path: string, flags: number, rules = ''): Promise<[Driver, unknown]> => {
    const helper = newHelper(t, rules);
    await helper.hello([ENGINE]);
    await helper.call('CONNECT', { readOnly: false });
    return [helper, (await helper.call('OPEN', { path, flags })).vixError];
  };
  t.equal((await open(`${image}.none`, 0))[1], 4);
  t.equal((await open('/dev/null', 0))[1], 7, 'not a file');
  const [writer, opened] = await open(image, 0);
  t.equal(opened, 0);
  t.equal((await open(image, 0))[1], 15);
  t.equal((await open(image, 4))[1], 15);
  t.equal((await open(image, 0, 'nolock'))[1], 0);
  await closeHelper(t, writer);
  t.equal((await open(image, 4))[1], 0);
  t.equal((await open(image, 4))[1], 0, 'two readers');
  t.equal((await open(image, 0))[1], 15);
  if (process.getuid?.() !== 0) {
    chmodSync(image, 0o400);
    t.equal((await open(image, 0))[1], 13);
  }
});

t.test('FAULT_LATENCY_US: each operation waits, all of them at once', async (t) => {
  const image = newImage(t);
  const helper = await openHelper(t, image, '', { FAULT_LATENCY_US: '20000' });
  const many = Array.from({ length: 200 }, (_, i): IoRequest => ['READ', i, 1, i * 512]);
  const ms = await elapsedMs(() => helper.io(...many));
  t.ok(ms >= 20 && ms < 2000, `${ms} ms for 200 reads of 20 ms`);
  await works(t, helper, image);
  await closeHelper(t, helper);
  const wrong = newHelper(t, '', { FAULT_LATENCY_US: '5ms' });
  const hello = wrong.hello([ENGINE]).catch(() => 'ended');
  t.match(await wrong.ended, { signal: 'SIGABRT' });
  t.equal(await hello, 'ended');
  t.equal(wrong.stderr, 'fault-engine: FAULT_LATENCY_US is 0 to 60000000, not 5ms\n');
});

t.test('delay: of I/O side by side, of other calls inside', async (t) => {
  const helper = await openHelper(t, newImage(t), ['delay=100ms sector=5', 'delay=200ms at=Flush']);
  t.ok((await elapsedMs(() => helper.io(['READ', 5, 1, 0], ['WRITE', 5, 1, 0]))) < 190);
  t.ok((await elapsedMs(() => helper.io(['READ', 5, 1, 0]))) >= 100);
  t.ok((await elapsedMs(() => helper.io(['READ', 6, 1, 0]))) < 90);
  t.ok((await elapsedMs(() => helper.io(['FLUSH', 0, 0, 0]))) >= 200);
  const [id] = helper.sendIo(['FLUSH', 0, 0, 0]);
  await sleep(100);
  t.equal((await helper.call('PING')).fields['call'], 'VixDiskLib_Flush');
  await helper.answered([id!]);
});

t.test('bandwidth', async (t) => {
  const helper = await openHelper(t, newImage(t), 'bandwidth=10M');
  const ms = await elapsedMs(() =>
    helper.io(['READ', 0, 2048, 0], ['WRITE', 4096, 2048, 0], ['READ', 0, 1024, 0]),
  );
  t.ok(ms >= 250 && ms < 2000, `${ms} ms for 2.5 MiB at 10 MiB/s`);
});

t.test('out of order', async (t) => {
  const helper = await openHelper(t, newImage(t), 'complete=shuffle');
  const ids = helper.sendIo(
    ...Array.from({ length: 100 }, (_, i): IoRequest => ['READ', i, 1, i * 512]),
  );
  await helper.answered(ids);
  const order = helper.done.map(({ id }) => id);
  t.notSame(order, ids);
  t.same(
    order.toSorted((a, b) => a - b),
    ids,
  );
  const late = await openHelper(t, newImage(t), 'complete=late');
  const inOrder = late.sendIo(...Array.from({ length: 100 }, (): IoRequest => ['READ', 0, 1, 0]));
  await late.answered(inOrder);
  t.same(
    late.done.map(({ id }) => id),
    inOrder,
    'late alone keeps the order',
  );
});

t.test('twice, and never', async (t) => {
  const twice = await openHelper(t, newImage(t), 'complete=twice nth=3');
  t.same(await twice.io(['READ', 0, 1, 0], ['READ', 0, 1, 0]), [0, 0]);
  twice.sendIo(['READ', 0, 1, 0]);
  t.same(await twice.ended, { code: 73, signal: null });
  t.match(twice.stderr, /completed a request twice/);

  const never = await openHelper(t, newImage(t), 'complete=never sector=7');
  const [lost] = never.sendIo(['READ', 7, 1, 0]);
  t.same(await never.io(['READ', 0, 1, 0], ['WRITE', 8, 1, 0]), [0, 0], 'others are answered');
  const [flush] = never.sendIo(['FLUSH', 0, 0, 0]);
  await sleep(100);
  t.equal((await never.call('PING')).fields['call'], 'VixDiskLib_Wait', 'Wait waits for it');
  const ids = never.done.map(({ id }) => id);
  t.notOk(ids.includes(lost!) || ids.includes(flush!));
});
