// A library that keeps writes in its process until it flushes, and loses them when it dies: what
// was answered is there all the same, and what was flushed is durable.
import fc from 'fast-check';
import t from 'tap';
import { createLog } from '../../src/base/log.js';
import { JOURNAL_IDLE_FLUSH_MS, RECOVERY_TIMEOUT_MS } from '../../src/base/limits.js';
import type { DiskRequest } from '../../src/disk/disk.js';
import { IO_OPS } from '../../src/helper/protocol.js';
import { Client, MIB, setUp, shut, type SetUp } from '../lib/sim-disk.js';
import { settle } from '../lib/sim-helper.js';

const volatile = { isVolatile: true };

/** The helper dies; the next one is opened, however long that takes. */
async function die({ last, clock }: Pick<SetUp, 'last' | 'clock'>): Promise<void> {
  last().die('chaos');
  await clock.pass(30_000);
}

/** Everything is answered, by as many helpers as it takes while flushes fail. */
async function restarts({ last, clock }: Pick<SetUp, 'last' | 'clock'>): Promise<void> {
  for (let turn = 0; turn < 6; turn++) {
    last().drain();
    await clock.pass(100);
  }
}

t.test('an answered write that was not flushed is written again, before what waits', async (t) => {
  const set = await setUp(volatile);
  const { disk, backing, last } = set;
  const client = new Client(disk);
  client.send('write', 0, 4096, Buffer.alloc(4096, 1));
  last().drain();
  t.equal(backing.bytes[0], 0, 'the library holds it');
  const read = client.send('read', 0, 4096);
  await die(set);
  t.same(
    last().inFlight.map(({ op }) => op),
    [IO_OPS.WRITE],
    'nothing runs before the journal is there again',
  );
  last().drain();
  t.same(client.results.get(read), Buffer.alloc(4096, 1));
  t.equal(backing.bytes[0], 1, 'and flushed');
  await shut(set);
});

t.test('writes that overlap are written again one after the other, others together', async (t) => {
  const set = await setUp(volatile);
  const { disk, backing, last } = set;
  const client = new Client(disk);
  for (const [offset, byte] of [
    [0, 1],
    [8192, 2],
    [512, 3],
    [16384, 4],
  ] as const) {
    client.send('write', offset, 4096, Buffer.alloc(4096, byte));
    last().drain();
  }
  await die(set);
  const sectors = (): number[] => last().inFlight.map(({ startSector }) => startSector);
  t.same(sectors(), [0, 16]);
  last().step(1);
  last().step(0);
  t.same(sectors(), [1, 32]);
  last().drain();
  t.same([...backing.bytes.subarray(511, 513)], [1, 3]);
  await shut(set);
});

t.test('after giving up the journal stays, and is written when the library is back', async (t) => {
  let isGone = false;
  const set = await setUp({ ...volatile, simOf: () => (isGone ? { refuse: { OPEN: 7 } } : {}) });
  const { disk, backing, last, clock } = set;
  const client = new Client(disk);
  client.send('write', 0, 512, Buffer.alloc(512, 1));
  last().drain();
  isGone = true;
  last().die('gone');
  const pending = client.send('read', 0, 512);
  await clock.pass(2 * RECOVERY_TIMEOUT_MS);
  t.equal(pending.error, 'EIO');
  t.equal(disk.unflushedWrites, 1);
  isGone = false;
  const read = client.send('read', 0, 512);
  await clock.pass(0);
  last().drain();
  t.same(client.results.get(read), Buffer.alloc(512, 1));
  t.equal(backing.bytes[0], 1);
  await shut(set);
});

t.test('parts of a write that a library short of memory had done are not forgotten', async (t) => {
  const set = await setUp(volatile);
  const { disk, backing, last } = set;
  const client = new Client(disk);
  const payload = Buffer.concat([Buffer.alloc(32 * 512, 7), Buffer.alloc(32 * 512, 8)]);
  const write = client.send('write', 0, payload.length, payload);
  // VixError 2: out of memory.
  last().answer(2);
  last().step();
  t.same(
    last().inFlight.map(({ startSector, nrSectors }) => [startSector, nrSectors]),
    [[32, 32]],
    'the second half',
  );
  await die(set);
  t.same(
    last().inFlight.map(({ startSector, nrSectors }) => [startSector, nrSectors]),
    [[0, 32]],
    'the first half, which is in the journal',
  );
  last().drain();
  t.ok(client.results.has(write));
  t.equal(disk.unflushedWrites, 1, 'the second half; the first is flushed');
  await die(set);
  t.same(
    last().inFlight.map(({ startSector, nrSectors }) => [startSector, nrSectors]),
    [[32, 32]],
    'which is replayed from its own place',
  );
  last().drain();
  const flush = client.send('flush', 0, 0);
  last().drain();
  t.equal(flush.error, undefined);
  t.same(backing.bytes.subarray(0, payload.length), payload);
  await shut(set);
});

t.test('what a flush covered is not written again', async (t) => {
  const set = await setUp(volatile);
  const { disk, last } = set;
  const client = new Client(disk);
  client.send('write', 0, 4096, Buffer.alloc(4096, 1));
  last().drain();
  client.send('flush', 0, 0);
  last().drain();
  client.send('write', 8192, 512, Buffer.alloc(512, 2));
  last().drain();
  await die(set);
  t.same(
    last().inFlight.map(({ startSector }) => startSector),
    [16],
  );
  last().drain();
  await shut(set);
});

t.test('a write answered while a flush is under way is not covered by it', async (t) => {
  const set = await setUp(volatile);
  const { disk, last } = set;
  const client = new Client(disk);
  client.send('write', 0, 512, Buffer.alloc(512, 1));
  client.send('flush', 0, 0);
  // The library flushes first, and answers the write before the flush.
  last().perform(last().inFlight[1]!);
  last().step(0);
  last().answer(0, 0);
  await die(set);
  t.equal(last().inFlight[0]?.op, IO_OPS.WRITE);
  last().drain();
  await shut(set);
});

t.test('the journal is flushed when nobody writes, and before it fills its memory', async (t) => {
  const set = await setUp({ ...volatile, sizeBytes: 16 * MIB });
  const { disk, backing, last, clock } = set;
  const client = new Client(disk);
  client.send('write', 0, 512, Buffer.alloc(512, 1));
  last().drain();
  await clock.pass(JOURNAL_IDLE_FLUSH_MS - 1);
  t.equal(last().inFlight.length, 0);
  await clock.pass(1);
  last().drain();
  t.equal(backing.flushes, 1, 'idle');
  await clock.pass(10 * JOURNAL_IDLE_FLUSH_MS);
  t.equal(last().inFlight.length, 0, 'once');
  for (let n = 0; n < 40; n++) {
    client.send('write', (n % 8) * 2 * MIB, 2 * MIB, Buffer.alloc(2 * MIB, n));
    last().drain();
    t.equal(client.waiting, 0, 'memory comes back');
  }
  t.ok(backing.flushes > 10);
  await shut(set);
});

t.test(
  'a failed flush is made again on a fresh helper; the client sees only the second',
  async (t) => {
    const set = await setUp(volatile);
    const { disk, backing, last, helpers, clock } = set;
    const client = new Client(disk);
    client.send('write', 0, 512, Buffer.alloc(512, 1));
    last().drain();
    backing.flushErrors.push(7);
    const flush = client.send('flush', 0, 0);
    last().drain();
    t.notOk(client.results.has(flush));
    await clock.pass(0);
    t.equal(helpers.length, 2);
    last().drain();
    t.ok(client.results.has(flush));
    t.equal(flush.error, undefined);
    t.equal(backing.bytes[0], 1);

    client.send('write', 0, 512, Buffer.alloc(512, 2));
    last().drain();
    backing.flushErrors.push(7, 7, 7);
    const failing = client.send('flush', 0, 0);
    await restarts(set);
    t.equal(failing.error, 'EIO', 'the third error: flush, its replay, and again');
    t.same(await shut(set), [], 'the journal stayed for the last flush');
    t.equal(backing.bytes[0], 2);
  },
);

t.test('a replay that dies again and again goes on in ever smaller chunks', async (t) => {
  const set = await setUp({ ...volatile, sizeBytes: MIB });
  const { disk, backing, last, helpers } = set;
  const client = new Client(disk);
  for (let n = 0; n < 100; n++) {
    client.send('write', n * 4096, 4096, Buffer.alloc(4096, n + 1));
    last().drain();
  }
  backing.flushes = 0;
  // Each helper lives for twenty operations.
  for (let lives = 0; lives < 60 && disk.unflushedWrites > 0; lives++) {
    await die(set);
    for (let n = 0; n < 20 && last().inFlight.length > 0; n++) last().step();
  }
  t.equal(disk.unflushedWrites, 0);
  t.ok(helpers.length < 40, `${helpers.length} helpers`);
  for (let n = 0; n < 100; n++) {
    if (backing.bytes[n * 4096] !== n + 1) t.fail(`write ${n} is lost`);
  }
  await shut(set);
});

t.test('a flush that fails in a replay has it begun again, on a fresh helper', async (t) => {
  const set = await setUp(volatile);
  const { disk, backing, last, clock } = set;
  const client = new Client(disk);
  for (let n = 0; n < 4; n++) client.send('write', n * 4096, 4096, Buffer.alloc(4096, n + 1));
  last().drain();
  await die(set);
  await die(set);
  t.equal(last().inFlight.length, 2, 'half of them before a flush');
  backing.flushErrors.push(7);
  last().drain();
  await clock.pass(1000);
  const read = client.send('read', 0, 512);
  last().drain();
  const writes = last().seen.filter(({ op }) => op === IO_OPS.WRITE);
  t.equal(writes.length, 4, 'all of them, for the library has dropped some');
  t.same(client.results.get(read), Buffer.alloc(512, 1));
  t.same(await shut(set), []);
  for (let n = 0; n < 4; n++) t.equal(backing.bytes[n * 4096], n + 1);
});

t.test('without a flush in the library the journal is a ring, and that is said once', async (t) => {
  const lines: string[] = [];
  const log = createLog({ write: (line) => lines.push(line), verbose: false });
  const set = await setUp({ ...volatile, sizeBytes: 16 * MIB, sim: { functions: [] }, log });
  const { disk, last } = set;
  const client = new Client(disk);
  for (let n = 0; n < 20; n++) {
    client.send('write', (n % 8) * 2 * MIB, 2 * MIB, Buffer.alloc(2 * MIB, n));
    last().drain();
    t.equal(client.waiting, 0);
  }
  t.equal(lines.filter((line) => line.includes("can't flush")).length, 1);
  await die(set);
  t.ok(last().inFlight.length > 0, 'what it has is written again');
  t.match(lines.at(-1), /; 0 requests replayed, after \d unflushed writes/);
  last().drain();
  await shut(set);
});

t.test('a last flush that fails names what is not durable', async (t) => {
  const set = await setUp(volatile);
  const { disk, backing, last } = set;
  const client = new Client(disk);
  for (let n = 0; n < 20; n++) client.send('write', n * 8192, 512, Buffer.alloc(512, 1));
  last().drain();
  backing.flushErrors.push(7, 7, 7);
  const closing = disk.close();
  await settle();
  await restarts(set);
  const reasons = await closing;
  t.match(reasons[0], /the last flush failed/);
  t.equal(reasons[1], 'not flushed: 512 bytes at offset 0');
  t.equal(reasons.at(-1), 'not flushed: 4 more writes');
});

t.test('a last close that fails names what is not durable, if only it makes it so', async (t) => {
  for (const [refuse, reasons] of [
    [{}, []],
    [{ CLOSE: 7 }, ['not flushed: 512 bytes at offset 8192']],
  ] as const) {
    const set = await setUp({ ...volatile, sim: { functions: [], refuse } });
    new Client(set.disk).send('write', 8192, 512, Buffer.alloc(512, 1));
    set.last().drain();
    t.same(await set.disk.close(), reasons);
  }
});

/** A write that every helper fails to be given again, to the end of the time for recovery. */
async function failReplays(vixError: number) {
  const set = await setUp(volatile);
  const { disk, backing, last, clock } = set;
  const client = new Client(disk);
  client.send('write', 4096, 512, Buffer.alloc(512, 1));
  last().drain();
  backing.failing.set(8, vixError);
  const read = client.send('read', 0, 512);
  last().die('gone');
  for (let passedMs = 0; passedMs < RECOVERY_TIMEOUT_MS + 60_000; passedMs += 5000) {
    await clock.pass(5000);
    last().drain();
  }
  return { ...set, client, read };
}

t.test('closing names what is lost', async (t) => {
  const set = await failReplays(7);
  const closing = set.disk.close();
  await restarts(set);
  t.match(await closing, [/the last flush failed/, /^lost: 512 bytes at offset 4096$/]);
});

t.test('no outage is long enough to lose anything', async (t) => {
  // VixError 36: the session is gone.
  const set = await failReplays(36);
  const { backing, client, clock, last, read } = set;
  t.equal(read.error, 'EIO');
  backing.failing.clear();
  const written = client.send('read', 4096, 512);
  await clock.pass(0);
  last().drain();
  t.same(client.results.get(written), Buffer.alloc(512, 1));
  t.same(await shut(set), []);
});

t.test('who waits for memory that no flush can free fails, but nobody else', async (t) => {
  const set = await setUp({ ...volatile, sizeBytes: 16 * MIB });
  const { disk, backing, last } = set;
  const client = new Client(disk);
  backing.flushErrors.push(7, 7, 7);
  for (let n = 0; n < 3; n++) {
    client.send('write', n * 2 * MIB, 2 * MIB, Buffer.alloc(2 * MIB, n + 1));
    last().step();
  }
  // Longer than one piece of memory.
  const writer = client.send('write', 8 * MIB, 3 * MIB, Buffer.alloc(3 * MIB, 9));
  const zeroes = client.send('zero', 12 * MIB + 1, 1024);
  t.equal(client.waiting, 1, 'the payload of the write has nowhere to go');
  await restarts(set);
  t.equal(client.waiting, 0, 'it was received all the same, or the connection would hang');
  t.equal(client.results.get(writer)?.length, 3 * MIB, 'all of it');
  for (const request of [writer, zeroes]) {
    t.ok(client.results.has(request));
    t.equal(request.error, 'EIO');
    t.match(request.errorText, /unflushed writes hold all of it/);
  }
  t.ok(backing.bytes.subarray(8 * MIB).equals(Buffer.alloc(8 * MIB)), 'nothing of it was written');
  const again = client.send('write', 8 * MIB, 3 * MIB, Buffer.alloc(3 * MIB, 9));
  const read = client.send('read', 2 * MIB, 512);
  last().drain();
  t.equal(again.error, undefined, 'a flush has worked since');
  t.same(client.results.get(read), Buffer.alloc(512, 2));
  t.same(await shut(set), []);
});

t.test(
  'any mix with deaths and failing flushes: reads are right, flushed bytes durable',
  async (t) => {
    const sizeBytes = 16 * 1024;
    const kinds = [
      'read',
      'write',
      'write',
      'zero',
      'flush',
      'answer',
      'answer',
      'answer',
    ] as const;
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom(...kinds, 'die', 'fail flush', 'pass'),
        offset: fc.nat(sizeBytes - 1),
        length: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: sizeBytes })),
        fill: fc.integer({ min: 1, max: 255 }),
        pick: fc.nat(),
      }),
      { minLength: 1, maxLength: 100 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const set = await setUp({ ...volatile, sizeBytes });
        const { disk, backing, clock, last } = set;
        const client = new Client(disk);
        const model = Buffer.alloc(sizeBytes);
        const expected = new Map<DiskRequest, Buffer>();
        /** The last write to each byte. */
        const writers = new Array<DiskRequest | undefined>(sizeBytes).fill(undefined);
        client.onCompleted = (request) => {
          if (request.op !== 'flush' || request.error !== undefined) return;
          const mustHold = promised.get(request) ?? [];
          for (const { at, byte, writer } of mustHold) {
            if (writers[at] === writer && backing.bytes[at] !== byte) {
              throw new Error(`byte ${at} was flushed, and is not there`);
            }
          }
        };
        const promised = new Map<
          DiskRequest,
          { at: number; byte: number; writer: DiskRequest }[]
        >();
        for (const { kind, offset, length, fill, pick } of list) {
          const lengthBytes = Math.min(length, sizeBytes - offset);
          const { inFlight } = last();
          if (kind === 'answer') {
            // A flush is a barrier: only what is in front of it may be answered.
            const flushAt = inFlight.findIndex(({ op }) => op === IO_OPS.FLUSH);
            const upTo = flushAt === -1 ? inFlight.length : Math.max(flushAt, 1);
            if (upTo > 0 && last().isAlive) last().step(pick % upTo);
          } else if (kind === 'die') {
            inFlight.forEach((io, i) => {
              if (io.op !== IO_OPS.FLUSH && (pick >> (i % 20)) & 1) last().perform(io);
            });
            last().leak((sector) => ((pick >> (sector % 23)) & 1) === 1);
            await die(set);
          } else if (kind === 'fail flush') {
            if (backing.flushErrors.length === 0) backing.flushErrors.push(7);
          } else if (kind === 'pass') {
            await clock.pass(pick % 3000);
          } else if (kind === 'read') {
            const bytes = Buffer.from(model.subarray(offset, offset + lengthBytes));
            expected.set(client.send('read', offset, lengthBytes), bytes);
          } else if (kind === 'flush') {
            const held = writers.flatMap((writer, at) =>
              writer && client.results.has(writer) ? [{ at, byte: model[at]!, writer }] : [],
            );
            const request = client.send('flush', 0, 0);
            promised.set(request, held);
            expected.set(request, Buffer.alloc(0));
          } else {
            const byte = kind === 'write' ? fill : 0;
            const payload = kind === 'write' ? Buffer.alloc(lengthBytes, byte) : undefined;
            model.fill(byte, offset, offset + lengthBytes);
            const request = client.send(kind, offset, lengthBytes, payload, pick % 5 === 0);
            writers.fill(request, offset, offset + lengthBytes);
            expected.set(request, Buffer.alloc(0));
          }
        }
        for (let turns = 0; turns < 20; turns++) {
          last().drain();
          await clock.pass(30_000);
        }
        for (const [request, bytes] of expected) {
          const result = client.results.get(request);
          if (result === undefined) throw new Error(`a ${request.op} was never answered`);
          if (request.op === 'read' && !result.equals(bytes))
            throw new Error('wrong bytes were read');
        }
        backing.flushErrors.length = 0;
        t.same(await shut(set), []);
        if (!backing.bytes.equals(model)) throw new Error('the disk has other bytes');
      }),
      { numRuns: 200 },
    );
  },
);
