// The disk over a helper: whatever is asked, in whatever order it is answered, whoever dies in
// between, the bytes are those of a plain disk.
import fc from 'fast-check';
import t from 'tap';
import { DiskRequest } from '../../src/disk/disk.js';
import { IO_OPS } from '../../src/helper/protocol.js';
import { Client, MIB, setUp, shut } from '../lib/sim-disk.js';
import { settle } from '../lib/sim-helper.js';

t.test('what the disk says of itself', async (t) => {
  const { disk, last } = await setUp({ sim: { info: { physicalSectorBytes: 8192 } } });
  t.match(disk, { sizeBytes: MIB, readOnly: false, canFlush: true, preferredBlockBytes: 8192 });
  t.equal(disk.requestBytesMax, 4 * MIB, 'half an arena of half the memory');
  t.same(await shut({ disk, last }), []);
  t.same(last().calls.slice(-1), ['CLOSE']);

  const other = await setUp({ flags: 4, sim: { functions: [] } });
  t.match(other.disk, { readOnly: true, canFlush: false, preferredBlockBytes: 4096 });
  await other.disk.close();
});

t.test('an unaligned write keeps its neighbours', async (t) => {
  const { disk, backing, last } = await setUp();
  backing.bytes.fill(0xee);
  const client = new Client(disk);
  client.send('write', 700, 1000, Buffer.alloc(1000, 1));
  t.same(
    last().inFlight.map((io) => [io.op, io.startSector, io.nrSectors]),
    [
      [IO_OPS.READ, 1, 1],
      [IO_OPS.READ, 3, 1],
    ],
    'the edges are read first',
  );
  last().drain();
  const expected = Buffer.alloc(MIB, 0xee).fill(1, 700, 1700);
  t.ok(backing.bytes.equals(expected));
  await shut({ disk, last });
});

t.test('a write to an edge waits for the neighbour that reads it', async (t) => {
  const { disk, backing, last } = await setUp();
  const client = new Client(disk);
  client.send('write', 100, 10, Buffer.alloc(10, 1));
  client.send('write', 110, 10, Buffer.alloc(10, 2));
  t.equal(last().inFlight.length, 1, 'the second holds back');
  last().drain();
  t.ok(backing.bytes.subarray(100, 110).equals(Buffer.alloc(10, 1)));
  t.ok(backing.bytes.subarray(110, 120).equals(Buffer.alloc(10, 2)));
  await shut({ disk, last });
});

t.test('zeroes: pieces of at most 2 MiB, at most 16 of them in flight', async (t) => {
  const sizeBytes = 128 * MIB;
  const { disk, backing, last } = await setUp({ sizeBytes });
  backing.bytes.fill(7);
  const client = new Client(disk);
  const request = client.send('zero', 1, sizeBytes - 2);
  while (last().inFlight.length > 0) {
    t.ok(last().inFlight.length <= 16);
    t.ok(last().inFlight.every((io) => io.nrSectors <= 4096));
    last().step(last().inFlight.length - 1);
  }
  t.ok(client.results.has(request));
  t.equal(request.error, undefined);
  t.equal(backing.bytes[0], 7);
  t.equal(backing.bytes[sizeBytes - 1], 7);
  t.equal(backing.bytes.indexOf(7, 1), sizeBytes - 1, 'and zeroes in between');
  await shut({ disk, last });
});

t.test('FUA is answered after a flush that began after the write', async (t) => {
  const { disk, last, backing } = await setUp();
  const client = new Client(disk);
  const request = client.send('write', 0, 512, Buffer.alloc(512, 1), true);
  last().step();
  t.notOk(client.results.has(request));
  t.same(
    last().inFlight.map((io) => io.op),
    [IO_OPS.FLUSH],
  );
  last().step();
  t.ok(client.results.has(request));
  t.equal(backing.flushes, 1);
  await shut({ disk, last });
});

t.test('a failed piece fails its request with the right errno, once, and no other', async (t) => {
  const { disk, last, backing } = await setUp({ sizeBytes: 8 * MIB });
  backing.failing.set(4096, 8).set(9000, 16007);
  const client = new Client(disk);
  const full = client.send('write', MIB, 3 * MIB, Buffer.alloc(3 * MIB));
  const bad = client.send('read', 9000 * 512, 512);
  const good = client.send('read', 0, 512);
  const fullZero = client.send('zero', 2 * MIB, 4 * MIB);
  last().drain();
  t.equal(full.error, undefined, 'its pieces begin at other sectors');
  t.equal(bad.error, 'EIO');
  t.match(bad.errorText, /VixError 16007/);
  t.equal(good.error, undefined);
  t.equal(fullZero.error, 'ENOSPC');
  t.equal(client.results.size, 4);
  await shut({ disk, last });
});

t.test('a record that was cut in parts is whole when it is used again', async (t) => {
  const { disk, last, backing } = await setUp();
  const client = new Client(disk);
  for (const byte of [1, 2]) {
    const payload = Buffer.alloc(64 * 512, byte);
    client.send('write', 0, payload.length, payload);
    // VixError 2: out of memory.
    if (byte === 1) last().answer(2);
    last().drain();
    t.ok(backing.bytes.subarray(0, payload.length).equals(payload));
  }
  await shut({ disk, last });
});

t.test('memory: a session waits for it, others see that, abandoning frees it', async (t) => {
  const { disk, last, clock } = await setUp({ sizeBytes: 16 * MIB });
  const [one, two] = [new Client(disk), new Client(disk)];
  // 6 MiB can be lent for writes: 8 MiB without the constant zeroes.
  one.send('write', 0, 4 * MIB, Buffer.alloc(4 * MIB));
  two.send('write', 8 * MIB, 2 * MIB, Buffer.alloc(2 * MIB));
  await clock.pass(5);
  const waiting = two.send('write', 12 * MIB, MIB, Buffer.alloc(MIB));
  t.equal(two.waiting, 1);
  t.equal(one.session.othersWaitSinceMs(), 5);
  t.equal(two.session.othersWaitSinceMs(), undefined);
  two.session.abandon(waiting);
  t.equal(one.session.othersWaitSinceMs(), undefined);
  last().drain();
  t.equal(disk.grants.oldestWaitSinceMs(disk), undefined);
  const again = one.send('write', 0, 4 * MIB, Buffer.alloc(4 * MIB));
  last().drain();
  t.ok(one.results.has(again));
  await shut({ disk, last });
});

t.test('closing waits for what runs, then flushes, then closes', async (t) => {
  const { disk, last, backing } = await setUp();
  const client = new Client(disk);
  client.send('write', 0, 512, Buffer.alloc(512, 3));
  const closing = disk.close();
  await settle();
  t.equal(backing.flushes, 0);
  t.same(
    last().inFlight.map(({ op }) => op),
    [IO_OPS.WRITE],
  );
  last().step();
  await settle();
  t.equal(last().inFlight[0]?.op, IO_OPS.FLUSH);
  last().step();
  t.same(await closing, []);
  t.equal(await disk.close(), await closing, 'idempotent');
});

t.test('a last flush that fails is a reason', async (t) => {
  const { disk, last, clock } = await setUp();
  const closing = disk.close();
  await settle();
  last().answer(7);
  t.match(await closing, [/the last flush failed: .*VixError 7/]);

  const stuck = await setUp();
  const giving = stuck.disk.close();
  await stuck.clock.pass(60_000);
  t.match(await giving, [/the last flush failed/], 'one that never ends is given up');
  t.ok(clock.pendingTimers === 0 && stuck.clock.pendingTimers === 0);

  const patient = await setUp({ closeTimeoutMs: 600_000 });
  const closingLate = patient.disk.close();
  await patient.clock.pass(500_000);
  patient.last().drain();
  t.same(await closingLate, [], 'and it may take as long as it is told');
});

t.test(
  'any mix of requests, orders of answers and deaths gives the bytes of a plain disk',
  async (t) => {
    const sizeBytes = 64 * 1024;
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom('read', 'write', 'write', 'zero', 'flush', 'answer', 'answer', 'die'),
        offset: fc.nat(sizeBytes - 1),
        length: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: sizeBytes })),
        fill: fc.integer({ min: 1, max: 255 }),
        pick: fc.nat(),
      }),
      { minLength: 1, maxLength: 80 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const { disk, backing, clock, last } = await setUp({ sizeBytes });
        const client = new Client(disk);
        // Requests take effect in the order in which they were sent, as far as they overlap.
        const model = Buffer.alloc(sizeBytes);
        const expected = new Map<DiskRequest, Buffer>();
        for (const { kind, offset, length, fill, pick } of list) {
          const lengthBytes = Math.min(length, sizeBytes - offset);
          if (kind === 'answer') {
            if (last().inFlight.length > 0) last().step(pick % last().inFlight.length);
          } else if (kind === 'die') {
            // Any subset of what was in flight may have been done, wholly or in part.
            last().inFlight.forEach((io, i) => {
              if ((pick >> (i % 20)) & 1)
                last().perform(io, Math.ceil(io.nrSectors / (1 + (i % 2))));
            });
            last().die('chaos');
            await clock.pass(20_000);
          } else if (kind === 'read') {
            const request = client.send('read', offset, lengthBytes);
            expected.set(request, Buffer.from(model.subarray(offset, offset + lengthBytes)));
          } else if (kind === 'flush') {
            expected.set(client.send('flush', 0, 0), Buffer.alloc(0));
          } else {
            const byte = kind === 'write' ? fill : 0;
            model.fill(byte, offset, offset + lengthBytes);
            const payload = kind === 'write' ? Buffer.alloc(lengthBytes, byte) : undefined;
            expected.set(client.send(kind, offset, lengthBytes, payload), Buffer.alloc(0));
          }
        }
        last().drain();
        t.equal(client.results.size, expected.size, 'each request is completed once');
        for (const [request, bytes] of expected) {
          if (request.op !== 'read') continue;
          if (!client.results.get(request)?.equals(bytes))
            throw new Error('a read saw other bytes');
        }
        if (!backing.bytes.equals(model)) throw new Error('the disk has other bytes');
        const closing = disk.close();
        await settle();
        last().drain();
        await closing;
      }),
      { numRuns: 150 },
    );
  },
);

const NO_MEMORY = 2;
/** All of the read arena of `WILD`. */
const ARENA_BYTES = 32 * MIB;
const WILD = { sizeBytes: 16 * MIB, memoryBytes: 2 * ARENA_BYTES };

/** No two sectors of the disk are the same. */
function fillSectors({ bytes }: { bytes: Buffer }): void {
  for (let at = 0; at < bytes.length; at += 512) bytes.fill(`sector ${at} `, at, at + 512);
}

t.test('what a dead helper has read of a request is read again', async (t) => {
  const { disk, last, backing, clock } = await setUp(WILD);
  fillSectors(backing);
  const client = new Client(disk);
  // The second time with the record of the first.
  for (const offsetBytes of [612, 4 * MIB]) {
    const request = client.send('read', offsetBytes, 6 * MIB);
    t.ok(last().inFlight.length >= 3);
    last().step(0);
    last().step(1);
    last().scribble(ARENA_BYTES);
    last().die('went wild');
    await clock.pass(20_000);
    last().drain();
    const expected = backing.bytes.subarray(offsetBytes, offsetBytes + 6 * MIB);
    t.ok(client.results.get(request)?.equals(expected));
  }
  const { seen } = last();
  const before = seen.length;
  client.send('read', 0, 6 * MIB);
  last().drain();
  t.equal(seen.length, before + 3, 'and without a death nothing is');
  await shut({ disk, last });
});

t.test('a library that dies more often than a read has pieces gets to its end', async (t) => {
  const { disk, last, backing, clock, helpers } = await setUp(WILD);
  fillSectors(backing);
  const client = new Client(disk);
  const request = client.send('read', 0, 12 * MIB);
  while (!client.results.has(request) && helpers.length < 20) {
    for (let n = 0; n < 2 && last().inFlight.length > 0; n++) last().step();
    if (client.results.has(request)) break;
    last().scribble(ARENA_BYTES);
    last().die('went wild');
    await clock.pass(20_000);
  }
  t.equal(request.error, undefined);
  t.ok(client.results.get(request)?.equals(backing.bytes.subarray(0, 12 * MIB)));
  await shut({ disk, last });
});

t.test('nor are its parts trusted; after the first death each is done once', async (t) => {
  const { disk, last, backing, clock, helpers } = await setUp(WILD);
  fillSectors(backing);
  const client = new Client(disk);
  const request = client.send('read', 0, 3 * MIB);
  /** The library has memory for an eighth of a piece. */
  const step = (): void => {
    while ((last().inFlight[0]?.nrSectors ?? 0) > 512) last().answer(NO_MEMORY);
    if (last().inFlight.length > 0) last().step();
  };
  while (!client.results.has(request) && helpers.length < 20) {
    for (let n = 0; n < 3; n++) step();
    if (client.results.has(request)) break;
    last().scribble(ARENA_BYTES);
    last().die('went wild');
    await clock.pass(20_000);
  }
  t.ok(helpers.length > 3, `${helpers.length} helpers`);
  t.equal(request.error, undefined);
  t.ok(client.results.get(request)?.equals(backing.bytes.subarray(0, 3 * MIB)));
  await shut({ disk, last });
});

t.test('CACHE reads into one slot, as much as one READ may ask for', async (t) => {
  const { disk, last } = await setUp({ sizeBytes: 128 * MIB });
  const client = new Client(disk);
  const request = client.send('cache', 513, 100 * MIB);
  const slots = new Set<number>();
  let sectors = 0;
  while (last().inFlight.length > 0) {
    t.ok(last().inFlight.length <= 16);
    const [io] = last().inFlight;
    slots.add(io?.arenaOffset ?? -1);
    sectors += io?.nrSectors ?? 0;
    last().step();
  }
  t.equal(slots.size, 1);
  t.equal(sectors, (32 * MIB) / 512);
  t.equal(request.error, undefined);
  t.same(client.results.get(request), Buffer.alloc(0), 'nothing is lent');
  t.equal(disk.grants.isWaitingToWrite, false);
  await shut({ disk, last });
});

t.test('an error says where it was', async (t) => {
  const { disk, last, backing } = await setUp({ sizeBytes: 8 * MIB });
  const client = new Client(disk);
  backing.failing.set((2 * MIB) / 512, 16007);
  const aligned = client.send('read', 0, 4 * MIB);
  last().drain();
  t.match(aligned, { error: 'EIO', errorOffsetBytes: 2 * MIB });
  const within = client.send('read', 2 * MIB + 5, 10);
  last().drain();
  t.match(within, { error: 'EIO', errorOffsetBytes: 2 * MIB + 5 });
  backing.failing.clear();
  const again = client.send('read', 0, 4 * MIB);
  last().drain();
  t.match(again, { error: undefined, errorOffsetBytes: -1 });
  await shut({ disk, last });
});

t.test('extents of a read-only disk spare reads', async (t) => {
  const functions = ['Flush', 'QueryAllocatedBlocks'];
  const { disk, last } = await setUp({ flags: 4, holeState: 3, sim: { functions } });
  const client = new Client(disk);
  const asked = Object.assign(new DiskRequest(), {
    op: 'extents',
    lengthBytes: MIB,
    extentsMax: 5,
  });
  t.ok(client.session.begin(asked));
  last().drain();
  await settle();
  last().drain();
  await settle();
  t.same(asked.extents, [MIB, 3], 'the library has allocated nothing');
  const read = Object.assign(new DiskRequest(), {
    lengthBytes: 8192,
    takesHoles: true,
    extentsMax: 5,
  });
  t.ok(client.session.begin(read));
  t.equal(last().inFlight.length, 0, 'nothing is read');
  t.ok(client.results.has(read));
  t.same(read.extents, [8192, 3]);
  const dense = client.send('read', 0, 8192);
  t.equal(last().inFlight.length, 1, 'a read that takes no holes is one');
  last().drain();
  t.same(client.results.get(dense), Buffer.alloc(8192));
  t.same(dense.extents, []);
  await shut({ disk, last });
});

t.test('extents of a writable disk count what was written as data', async (t) => {
  const functions = ['Flush', 'QueryAllocatedBlocks'];
  const { disk, last } = await setUp({ holeState: 3, sim: { functions } });
  const client = new Client(disk);
  client.send('write', 70_000, 512, Buffer.alloc(512, 1));
  last().drain();
  const asked = Object.assign(new DiskRequest(), {
    op: 'extents',
    lengthBytes: MIB,
    extentsMax: 5,
  });
  t.ok(client.session.begin(asked));
  for (let i = 0; i < 4; i++) {
    await settle();
    last().drain();
  }
  t.same(asked.extents, [65_536, 3, 65_536, 0, MIB - 131_072, 3]);
  await shut({ disk, last });
});
