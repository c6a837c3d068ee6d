// Reads that are answered from the cache or read ahead: what the library is asked, and when not;
// that nothing old is ever read; and that nobody suffers by what he has not asked for.
import fc from 'fast-check';
import t from 'tap';
import type { DiskRequest } from '../../src/disk/disk.js';
import { IO_OPS } from '../../src/helper/protocol.js';
import { Client, MIB, setUp as setUpDisk, type SetUp, shut as shutDisk } from '../lib/sim-disk.js';
import { settle } from '../lib/sim-helper.js';

const KIB = 1024;
const READ_ONLY = 4;

type Options = NonNullable<Parameters<typeof setUpDisk>[0]>;

interface Bench extends SetUp {
  client: Client;
  /** First sector and count of each read that the library has now. */
  inFlight: () => number[][];
  /** Everything that the library was asked to read so far. */
  asked: () => number[][];
}

/** A disk of 64 MiB whose bytes tell where they are. */
async function setUp(options: Options = {}): Promise<Bench> {
  const sizeBytes = options.sizeBytes ?? 64 * MIB;
  const made = await setUpDisk({ sizeBytes, ...options });
  for (let at = 0; at < sizeBytes; at += 512) made.backing.bytes.writeUInt32LE(at / 512 + 1, at);
  const ranges = (ios: { op: number; startSector: number; nrSectors: number }[]): number[][] =>
    ios
      .filter(({ op }) => op === IO_OPS.READ)
      .map(({ startSector, nrSectors }) => [startSector, nrSectors]);
  return {
    ...made,
    client: new Client(made.disk),
    inFlight: () => ranges(made.last().inFlight),
    asked: () => ranges(made.helpers.flatMap(({ seen }) => seen)),
  };
}

const ahead = (options: Options = {}) => setUp({ readaheadBytesMax: 8 * MIB, ...options });
const cached = (options: Options = {}) => setUp({ cacheBytesMax: 2 * MIB, ...options });

/** Reads `lengthBytes` at `offsetBytes` and waits for it, and for what comes of it. */
async function read(bench: Bench, offsetBytes: number, lengthBytes: number): Promise<DiskRequest> {
  const request = bench.client.send('read', offsetBytes, lengthBytes);
  bench.last().drain();
  await settle();
  return request;
}

/** Closes the disk once the library has nothing to do. */
async function shut(bench: Bench): Promise<string[]> {
  await settle();
  bench.last().drain();
  return shutDisk(bench);
}

/** Whether the answer to `request` is what the disk has there. */
function isRight({ backing, client }: Bench, request: DiskRequest): boolean {
  const { error, lengthBytes, offsetBytes } = request;
  const bytes = backing.bytes.subarray(offsetBytes, offsetBytes + lengthBytes);
  return error === undefined && client.results.get(request)?.equals(bytes) === true;
}

t.test('a client that reads on and on finds it there, and more and more of it', async (t) => {
  const bench = await ahead();
  await read(bench, 0, 64 * KIB);
  t.same(bench.inFlight(), [], 'one is no stream');
  await read(bench, 64 * KIB, 64 * KIB);
  t.same(
    bench.inFlight(),
    [
      [256, 256],
      [512, 256],
      [768, 256],
      [1024, 256],
    ],
    'a window of four',
  );
  const waits = bench.client.send('read', 128 * KIB, 64 * KIB);
  t.equal(bench.inFlight().length, 4, 'it waits for what comes');
  bench.last().drain();
  t.ok(isRight(bench, waits));
  let asked = bench.asked().length;
  let found = 0;
  for (let n = 3; n < 100; n++) {
    const request = bench.client.send('read', n * 64 * KIB, 64 * KIB);
    if (bench.client.results.has(request)) found++;
    bench.last().drain();
    t.ok(isRight(bench, request));
    await settle();
  }
  asked = bench.asked().length - asked;
  t.ok(found > 80, `${found} were there`);
  t.ok(asked < 60, `in ${asked} reads of the library`);
  t.same(await shut(bench), []);
  t.equal(bench.clock.pendingTimers, 0);
});

t.test('what was read ahead and used is gone, where nothing is kept', async (t) => {
  const bench = await ahead();
  for (let n = 0; n < 8; n++) await read(bench, n * 64 * KIB, 64 * KIB);
  bench.last().drain();
  const before = bench.asked().length;
  const request = bench.client.send('read', 128 * KIB, 64 * KIB);
  t.same(bench.asked().slice(before), [[256, 128]]);
  bench.last().drain();
  t.ok(isRight(bench, request));
  await shut(bench);
});

t.test('reads here and there are read as they are, and nothing else is', async (t) => {
  const bench = await ahead();
  for (let n = 0; n < 50; n++) await read(bench, ((n * 7919) % 8000) * 8 * KIB, 4 * KIB);
  t.ok(bench.asked().every(([, count]) => count === 8));
  t.equal(bench.asked().length, 50);
  await shut(bench);
});

t.test('nothing is read ahead of a client that is deep itself', async (t) => {
  const bench = await ahead();
  for (let n = 0; n < 8; n++) bench.client.send('read', n * 64 * KIB, 64 * KIB);
  await settle();
  t.equal(bench.asked().length, 8);
  bench.last().drain();
  await shut(bench);
});

t.test('known holes are not read ahead, nor what is behind the end', async (t) => {
  const functions = ['Flush', 'QueryAllocatedBlocks'];
  const sizeBytes = MIB + 512;
  const options = { flags: READ_ONLY, holeState: 3, sizeBytes };
  const bench = await ahead({ ...options, sim: { functions } });
  const extents = Object.assign(bench.client.send('read', 0, 512), {
    op: 'extents',
    lengthBytes: MIB,
    extentsMax: 5,
  });
  bench.last().drain();
  bench.client.session.begin(extents);
  await settle();
  t.same(extents.extents, [MIB, 3], 'all of it is a hole');
  const before = bench.asked().length;
  for (let n = 0; n < 4; n++) await read(bench, n * 64 * KIB, 64 * KIB);
  bench.last().drain();
  t.ok(
    bench
      .asked()
      .slice(before)
      .every(([start]) => start! < 4 * 128 || start === 2048),
    'but the part of a chunk at the end',
  );
  await read(bench, MIB - 64 * KIB, 64 * KIB);
  await read(bench, MIB, 512);
  await shut(bench);
});

t.test("an error of a read ahead is nobody else's", async (t) => {
  const bench = await ahead();
  await read(bench, 0, 64 * KIB);
  bench.backing.failing.set(256, 16007);
  await read(bench, 64 * KIB, 64 * KIB);
  const joined = bench.client.send('read', 136 * KIB, 8 * KIB);
  bench.last().drain();
  t.ok(isRight(bench, joined), 'it reads for itself');
  await settle();
  const before = bench.asked().length;
  const again = bench.client.send('read', 144 * KIB, 8 * KIB);
  bench.last().drain();
  await settle();
  t.ok(isRight(bench, again));
  t.notOk(
    bench
      .asked()
      .slice(before)
      .some(([start, n]) => start === 256 && n === 128),
  );
  t.equal(bench.helpers.length, 1, 'and nothing was opened anew for it');
  const bad = bench.client.send('read', 128 * KIB, 4 * KIB);
  bench.last().drain();
  await bench.clock.pass(1000);
  bench.last().drain();
  t.equal(bad.error, 'EIO', 'its own errors a client gets');
  await shut(bench);
});

t.test('a session that is lost by a read ahead is opened anew', async (t) => {
  const bench = await ahead();
  await read(bench, 0, 64 * KIB);
  await read(bench, 64 * KIB, 64 * KIB);
  bench.last().answer(36);
  await bench.clock.pass(1000);
  t.equal(bench.helpers.length, 2);
  const request = bench.client.send('read', 128 * KIB, 64 * KIB);
  bench.last().drain();
  t.ok(isRight(bench, request));
  await shut(bench);
});

t.test('what was being read ahead when a helper died is left alone after that', async (t) => {
  const bench = await ahead();
  await read(bench, 0, 64 * KIB);
  await read(bench, 64 * KIB, 64 * KIB);
  const joined = bench.client.send('read', 128 * KIB, 4 * KIB);
  t.equal(bench.inFlight().length, 4);
  bench.last().die('poison');
  await bench.clock.pass(1000);
  t.equal(bench.helpers.length, 2);
  t.same(bench.inFlight(), [[256, 8]], 'only what was asked for is done again');
  bench.last().drain();
  t.ok(isRight(bench, joined));
  for (let n = 33; n < 40; n++) await read(bench, n * 4 * KIB, 4 * KIB);
  bench.last().drain();
  const later = bench.last().seen.filter(({ nrSectors }) => nrSectors > 8);
  t.ok(later.length > 0, 'behind it, it goes on');
  t.ok(later.every(({ startSector }) => startSector >= 768));
  await shut(bench);
});

t.test('closing: what is being read ahead is waited for', async (t) => {
  const bench = await ahead();
  await read(bench, 0, 64 * KIB);
  await read(bench, 64 * KIB, 64 * KIB);
  t.equal(bench.inFlight().length, 4);
  const closing = bench.disk.close();
  await settle();
  t.notOk(bench.last().calls.includes('CLOSE'));
  bench.last().drain();
  await settle();
  bench.last().drain();
  t.same(await closing, []);
  t.equal(bench.clock.pendingTimers, 0);
});

t.test('a client may leave while it waits for what is read ahead', async (t) => {
  const bench = await ahead();
  await read(bench, 0, 64 * KIB);
  await read(bench, 64 * KIB, 64 * KIB);
  const joined = bench.client.send('read', 128 * KIB, 64 * KIB);
  bench.client.session.end();
  bench.last().drain();
  t.ok(bench.client.results.has(joined));
  t.same(await shut(bench), []);
});

t.test('what was read is kept, and need not be read again', async (t) => {
  const bench = await cached({ flags: READ_ONLY });
  await read(bench, 64 * KIB, 64 * KIB);
  const before = bench.asked().length;
  for (const [offset, length] of [
    [64 * KIB, 64 * KIB],
    [70_000, 1],
    [100_001, 20_000],
  ] as const) {
    const request = bench.client.send('read', offset, length);
    t.ok(isRight(bench, request), 'at once');
  }
  t.equal(bench.asked().length, before);
  const longer = bench.client.send('read', 100 * KIB, 64 * KIB);
  t.same(bench.inFlight(), [[256, 72]], 'of one that goes on, the rest is read');
  bench.last().drain();
  t.ok(isRight(bench, longer));
  await shut(bench);
});

t.test('long reads are not kept', async (t) => {
  const bench = await cached({ flags: READ_ONLY });
  await read(bench, 0, 128 * KIB);
  await read(bench, 0, 128 * KIB);
  t.equal(bench.asked().length, 2);
  await shut(bench);
});

t.test('a small read brings what is around it, as long as that pays', async (t) => {
  const bench = await cached({ flags: READ_ONLY });
  await read(bench, 65 * 64 * KIB + 20 * KIB, 4 * KIB);
  t.same(bench.asked(), [[65 * 128, 128]]);
  const beside = bench.client.send('read', 65 * 64 * KIB, 4 * KIB);
  t.ok(isRight(bench, beside), 'at once');
  for (let n = 0; n < 80; n++) await read(bench, ((n * 7919) % 1000) * 64 * KIB, 4 * KIB);
  const last = bench.asked().slice(-5);
  t.ok(
    last.every(([, count]) => count === 8),
    'nobody came for it',
  );
  await shut(bench);
});

t.test('writes and zeroes drop what they change, and nothing else', async (t) => {
  const bench = await cached();
  await read(bench, 0, 64 * KIB);
  await read(bench, 64 * KIB, 64 * KIB);
  bench.client.send('write', 1000, 10, Buffer.alloc(10, 7));
  bench.last().drain();
  const other = bench.client.send('read', 64 * KIB, 64 * KIB);
  t.ok(isRight(bench, other), 'at once');
  t.ok(isRight(bench, await read(bench, 0, 64 * KIB)));
  bench.client.send('zero', 60 * KIB, 32 * KIB);
  bench.last().drain();
  t.ok(isRight(bench, await read(bench, 0, 64 * KIB)));
  t.ok(isRight(bench, await read(bench, 64 * KIB, 64 * KIB)));
  await shut(bench);
});

t.test('a read that a write waits for is not kept', async (t) => {
  const bench = await cached();
  const before = bench.client.send('read', 0, 32 * KIB);
  const write = bench.client.send('write', 8 * KIB, 4 * KIB, Buffer.alloc(4 * KIB, 9));
  const behind = bench.client.send('read', 0, 32 * KIB);
  bench.last().step();
  t.equal(bench.client.results.get(before)?.[8 * KIB], 17, 'it came first');
  t.notOk(bench.client.results.has(behind));
  bench.last().drain();
  t.ok(bench.client.results.has(write));
  t.ok(isRight(bench, behind));
  t.ok(isRight(bench, await read(bench, 0, 32 * KIB)));
  await shut(bench);
});

t.test('a write waits for what is being read ahead, and what comes is not kept', async (t) => {
  const bench = await ahead({ cacheBytesMax: 2 * MIB });
  await read(bench, 0, 64 * KIB);
  await read(bench, 64 * KIB, 64 * KIB);
  const joined = bench.client.send('read', 128 * KIB, 64 * KIB);
  const write = bench.client.send('write', 130 * KIB, 512, Buffer.alloc(512, 9));
  const behind = bench.client.send('read', 128 * KIB, 64 * KIB);
  t.notOk(bench.last().inFlight.some(({ op }) => op === IO_OPS.WRITE));
  bench.last().step(0);
  t.equal(bench.client.results.get(joined)?.readUInt32LE(2 * KIB), 261, 'it came first');
  t.notOk(bench.client.results.has(write));
  bench.last().drain();
  t.ok(isRight(bench, behind));
  await shut(bench);
});

t.test('the death of a helper empties the cache', async (t) => {
  const bench = await cached({ flags: READ_ONLY });
  await read(bench, 0, 64 * KIB);
  bench.last().die('chaos');
  const request = bench.client.send('read', 0, 4 * KIB);
  t.ok(bench.client.results.has(request), 'nobody knows yet');
  await bench.clock.pass(1000);
  const after = bench.client.send('read', 4 * KIB, 4 * KIB);
  t.notOk(bench.client.results.has(after));
  bench.last().drain();
  t.ok(isRight(bench, after));
  await shut(bench);
});

t.test('CACHE fills the cache, and what is there is not read again', async (t) => {
  const bench = await cached({ flags: READ_ONLY, memoryBytes: 64 * MIB, cacheBytesMax: 16 * MIB });
  bench.client.send('cache', 513, 5 * MIB);
  t.same(bench.inFlight(), [
    [1, 4096],
    [4097, 4096],
    [8193, 2049],
  ]);
  bench.last().drain();
  const before = bench.asked().length;
  const request = bench.client.send('read', 2 * MIB, 3 * MIB);
  t.ok(isRight(bench, request));
  t.ok(bench.client.results.has(bench.client.send('cache', MIB, MIB)));
  t.equal(bench.asked().length, before);
  bench.client.send('cache', 20 * MIB, 20 * MIB);
  t.equal(bench.inFlight().length, 10, 'more than it holds is read into one place');
  t.equal(new Set(bench.last().inFlight.map(({ arenaOffset }) => arenaOffset)).size, 1);
  bench.last().drain();
  await shut(bench);
});

t.test('the cache gives way to requests, and holds no more than it may', async (t) => {
  const bench = await cached({ flags: READ_ONLY });
  for (let n = 0; n < 100; n++) await read(bench, n * 64 * KIB, 64 * KIB);
  const others = [1, 2, 3].map(() => new Client(bench.disk));
  const requests = others.map((one, n) => one.send('read', n * 4 * MIB, n < 2 ? 4 * MIB : 512));
  t.same(
    others.map(({ waiting }) => waiting),
    [0, 0, 1],
    'all of the arena is for requests',
  );
  bench.last().drain();
  t.ok(requests.every((request, n) => others[n]!.results.has(request)));
  await shut(bench);
});

t.test('memory that is sent from counts, whoever else has it too', async (t) => {
  const bench = await cached({ flags: READ_ONLY, memoryBytes: 16 * MIB });
  await read(bench, 0, 64 * KIB);
  const begin = bench.client.session.begin.bind(bench.client.session);
  let kept = 0;
  bench.client.session.release = () => {
    kept++;
  };
  // Half an arena is 4 MiB.
  for (let n = 0; n < 64; n++) bench.client.send('read', 0, 64 * KIB);
  t.equal(kept, 64);
  const more = bench.client.send('read', 0, 64 * KIB);
  t.notOk(bench.client.results.has(more), 'it waits until some has left');
  t.equal(bench.client.waiting, 1);
  t.ok(begin);
});

t.test('any mix of requests, answers and deaths gives the bytes of a plain disk', async (t) => {
  const sizeBytes = 256 * KIB;
  const steps = fc.array(
    fc.record({
      kind: fc.constantFrom(
        ...(['read', 'next', 'next', 'next', 'write', 'zero', 'cache'] as const),
        ...(['flush', 'turn', 'turn', 'answer', 'answer', 'answer', 'die'] as const),
      ),
      offset: fc.nat(sizeBytes - 1),
      length: fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.constantFrom(4096, 65_536)),
      fill: fc.integer({ min: 1, max: 255 }),
      pick: fc.nat(),
    }),
    { minLength: 1, maxLength: 100 },
  );
  const sizes = fc.constantFrom(
    ...[
      { readaheadBytesMax: 8 * MIB, cacheBytesMax: Infinity },
      { readaheadBytesMax: 8 * MIB, cacheBytesMax: 0 },
      { readaheadBytesMax: 0, cacheBytesMax: 128 * KIB },
    ],
  );
  await fc.assert(
    fc.asyncProperty(steps, sizes, async (list, caching) => {
      const { disk, backing, clock, last } = await setUpDisk({ sizeBytes, ...caching });
      const client = new Client(disk);
      const model = Buffer.alloc(sizeBytes);
      const expected = new Map<DiskRequest, Buffer>();
      let next = 0;
      for (const { kind, offset, length, fill, pick } of list) {
        const start = kind === 'next' && next < sizeBytes ? next : offset;
        const lengthBytes = Math.min(length, sizeBytes - start);
        if (kind === 'turn') {
          await settle();
        } else if (kind === 'answer') {
          if (last().inFlight.length > 0) last().step(pick % last().inFlight.length);
        } else if (kind === 'die') {
          last().die('chaos');
          await clock.pass(20_000);
        } else if (kind === 'read' || kind === 'next') {
          next = start + lengthBytes;
          const request = client.send('read', start, lengthBytes);
          expected.set(request, Buffer.from(model.subarray(start, next)));
        } else if (kind === 'flush' || kind === 'cache') {
          const range = kind === 'flush' ? [0, 0] : [start, lengthBytes];
          expected.set(client.send(kind, range[0]!, range[1]!), Buffer.alloc(0));
        } else {
          const byte = kind === 'write' ? fill : 0;
          model.fill(byte, start, start + lengthBytes);
          const payload = kind === 'write' ? Buffer.alloc(lengthBytes, byte) : undefined;
          expected.set(client.send(kind, start, lengthBytes, payload), Buffer.alloc(0));
        }
      }
      last().drain();
      t.equal(client.results.size, expected.size, 'each request is completed once');
      for (const [request, bytes] of expected) {
        if (request.op !== 'read') continue;
        if (!client.results.get(request)?.equals(bytes)) throw new Error('a read saw other bytes');
      }
      if (!backing.bytes.equals(model)) throw new Error('the disk has other bytes');
      const closing = disk.close();
      await settle();
      last().drain();
      await closing;
    }),
    { numRuns: 200 },
  );
});
