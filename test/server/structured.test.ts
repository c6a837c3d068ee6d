// Structured replies and extended headers over a socket, on a disk in memory: what is in a reply,
// how it is cut into chunks, and what becomes of errors.
import fc from 'fast-check';
import t from 'tap';
import { EXTENTS_PER_REPLY_MAX, READ_EXTENTS_MAX } from '../../src/base/limits.js';
import { ChunkClient, type Style } from '../lib/chunk-client.js';
import { NbdClient } from '../lib/nbd-client.js';
import { modes, patterned, serveMemory, until } from '../lib/nbd-server.js';

const [READ, WRITE, FLUSH, TRIM, CACHE, ZEROES, BLOCK_STATUS] = [0, 1, 3, 4, 5, 6, 7] as const;
const [FUA, NO_HOLE, DF, REQ_ONE, FAST_ZERO] = [1, 2, 4, 8, 16] as const;
const [OK, EPERM, EIO, EINVAL, ENOSPC, ENOTSUP] = [0, 1, 5, 22, 28, 95] as const;
const KIB = 1024;
const MIB = 1 << 20;
const styles: Style[] = ['structured', 'extended'];

/** Eight MiB of pattern, with a hole from 1 MiB to 3 MiB and one of 64 KiB at 5 MiB. */
function sparse(): Buffer {
  return patterned(8 * MIB)
    .fill(0, MIB, 3 * MIB)
    .fill(0, 5 * MIB, 5 * MIB + 64 * KIB);
}

for (const style of styles) {
  t.test(style, async (t) => {
    t.test('reads, in chunks around the holes', async (t) => {
      const { address, disk } = await serveMemory(t, { data: sparse(), holeBytes: 64 * KIB });
      const client = await ChunkClient.go(address, style);
      const read = async (offset: number, length: number, flags = 0) => {
        const reply = await client.ask({ type: READ, cookie: 3n, offset, length, flags });
        t.ok(reply.data.equals(disk.data.subarray(offset, offset + length)));
        return reply.content;
      };
      t.same(await read(100, 5000), [{ offset: 100, length: 5000, hole: false }]);
      t.same(await read(100, 500_000), [{ offset: 100, length: 500_000, hole: false }]);
      t.same(await read(MIB + 7, MIB), [{ offset: MIB + 7, length: MIB, hole: true }]);
      t.same(await read(0, 8 * MIB), [
        { offset: 0, length: MIB, hole: false },
        { offset: MIB, length: 2 * MIB, hole: true },
        { offset: 3 * MIB, length: 2 * MIB, hole: false },
        { offset: 5 * MIB, length: 64 * KIB, hole: true },
        { offset: 5 * MIB + 64 * KIB, length: 3 * MIB - 64 * KIB, hole: false },
      ]);
      t.same(
        await read(MIB - 100, 300),
        [
          { offset: MIB - 100, length: 100, hole: false },
          { offset: MIB, length: 200, hole: true },
        ],
        'one that is copied',
      );
      t.same(await read(0, 8 * MIB, DF), [{ offset: 0, length: 8 * MIB, hole: false }]);
      t.same(await read(MIB, MIB, DF), [{ offset: MIB, length: MIB, hole: false }]);
      t.equal(disk.pool.lentBytes, 0);
      client.destroy();
    });

    t.test('too many holes are data', async (t) => {
      const data = patterned(2 * READ_EXTENTS_MAX * 4 * KIB + 8 * KIB);
      for (let at = 0; at < data.length; at += 8 * KIB) data.fill(0, at, at + 4 * KIB);
      const { address } = await serveMemory(t, { data, holeBytes: 4 * KIB });
      const client = await ChunkClient.go(address, style);
      const few = await client.ask({ type: READ, length: READ_EXTENTS_MAX * 4 * KIB });
      t.equal(few.content.length, READ_EXTENTS_MAX);
      const many = await client.ask({ type: READ, length: data.length });
      t.equal(many.content.length, 1);
      t.ok(many.data.equals(data));
      client.destroy();
    });

    t.test('block status', async (t) => {
      const { address } = await serveMemory(t, { data: sparse(), holeBytes: 64 * KIB });
      const client = await ChunkClient.go(address, style);
      const status = async (offset: number, length: number, flags = 0) =>
        (await client.ask({ type: BLOCK_STATUS, offset, length, flags })).extents;
      const rest = 3 * MIB - 64 * KIB;
      t.same(await status(0, 8 * MIB), [MIB, 0, 2 * MIB, 3, 2 * MIB, 0, 64 * KIB, 3, rest, 0]);
      t.same(await status(0, 8 * MIB, REQ_ONE), [MIB, 0]);
      t.same(await status(MIB + 1, 5, REQ_ONE | FUA), [5, 3]);
      client.destroy();
    });

    t.test('block status of more extents than one reply takes', async (t) => {
      const data = patterned((EXTENTS_PER_REPLY_MAX + 6) * 4 * KIB);
      for (let at = 0; at < data.length; at += 8 * KIB) data.fill(0, at, at + 4 * KIB);
      const { address } = await serveMemory(t, { data, holeBytes: 4 * KIB });
      const client = await ChunkClient.go(address, style);
      const first = await client.ask({ type: BLOCK_STATUS, length: data.length });
      t.equal(first.extents?.length, 2 * EXTENTS_PER_REPLY_MAX);
      const offset = EXTENTS_PER_REPLY_MAX * 4 * KIB;
      const rest = await client.ask({ type: BLOCK_STATUS, offset, length: 6 * 4 * KIB });
      t.equal(rest.extents?.length, 12);
      client.destroy();
    });

    t.test('writes, zeroes, flush and cache', async (t) => {
      const { address, disk } = await serveMemory(t);
      const client = await ChunkClient.go(address, style);
      const data = patterned(300_000, 5);
      const isSimple = style === 'structured';
      const done = { error: OK, simple: isSimple, content: [] };
      t.match(await client.ask({ type: WRITE, offset: 11, data, cookie: 7n }), done);
      t.match(
        await client.ask({ type: ZEROES, flags: NO_HOLE | FUA, offset: 20, length: 9 }),
        done,
      );
      t.match(await client.ask({ type: FLUSH }), done);
      t.match(await client.ask({ type: CACHE, length: MIB }), done);
      const expected = patterned(MIB);
      data.copy(expected, 11);
      expected.fill(0, 20, 29);
      t.ok(disk.data.equals(expected));
      t.match(disk.ran, { write: 1, zero: 1, flush: 1, cache: 1, fua: 1 });
      client.destroy();
    });

    t.test('refusals have a text, and the connection lives', async (t) => {
      const { address, disk } = await serveMemory(t);
      const client = await ChunkClient.go(address, style);
      const refused = [
        [{ type: READ, offset: MIB, length: 1 }, EINVAL, /beyond the end/],
        [{ type: READ, length: 0 }, EINVAL, /length of 0/],
        [{ type: READ, length: 64 * MIB, flags: DF }, EINVAL, /beyond/],
        [{ type: READ, length: 512, flags: REQ_ONE }, EINVAL, /flags/],
        [{ type: WRITE, offset: MIB, data: Buffer.alloc(1) }, ENOSPC, /beyond/],
        [{ type: WRITE, data: Buffer.alloc(33 * MIB) }, ENOSPC, /beyond/],
        [{ type: ZEROES, length: 512, flags: FAST_ZERO }, ENOTSUP, /not faster/],
        [{ type: TRIM, length: 512 }, EINVAL, /not announced/],
        [{ type: 77, length: 512 }, EINVAL, /not announced/],
        [{ type: FLUSH, length: 1 }, EINVAL, /no range/],
        [{ type: BLOCK_STATUS, offset: MIB, length: 1 }, EINVAL, /beyond/],
        [{ type: READ, offset: 2n ** 64n - 1n, length: 1 }, EINVAL, /beyond/],
      ] as const;
      for (const [request, error, text] of refused) {
        t.match(await client.ask({ ...request, cookie: 2n ** 63n + 5n }), { error, text });
      }
      t.match(disk.ran, { read: 0, write: 0, zero: 0, extents: 0 });
      t.match(await client.ask({ type: READ, length: 512 }), { error: OK });
      client.destroy();
    });

    t.test("the disk's errors say where and why", async (t) => {
      const { address, disk } = await serveMemory(t);
      const at = 4096;
      for (const op of ['read', 'write', 'zero', 'extents', 'cache', 'flush'] as const) {
        disk.failing.push({ op, startBytes: at, endBytes: 2 * at, error: 'EIO' });
      }
      const client = await ChunkClient.go(address, style);
      const where = {
        error: EIO,
        errorOffset: at,
        text: /fails by order of the test/,
        content: [],
      };
      t.match(await client.ask({ type: READ, offset: 1, length: 9 * at }), where);
      t.match(await client.ask({ type: WRITE, offset: 1, data: Buffer.alloc(at) }), where);
      for (const type of [ZEROES, BLOCK_STATUS, CACHE]) {
        t.match(await client.ask({ type, offset: 1, length: at }), where);
      }
      const inside = await client.ask({ type: READ, offset: at + 5, length: 5 });
      t.equal(inside.errorOffset, at + 5);
      t.match(await client.ask({ type: FLUSH }), { error: EIO, errorOffset: undefined });
      t.equal(disk.pool.lentBytes, 0);
      client.destroy();
    });

    t.test('without a context there is no block status', async (t) => {
      const { address } = await serveMemory(t);
      const client = await ChunkClient.go(address, style, ['x-none:of', 'base:']);
      t.match(await client.ask({ type: BLOCK_STATUS, length: 512 }), {
        error: EINVAL,
        text: /no metadata context/,
      });
      client.destroy();
    });

    t.test('a read-only disk', async (t) => {
      const { address } = await serveMemory(t, { readOnly: true });
      const client = await ChunkClient.go(address, style);
      for (const type of [WRITE, ZEROES, TRIM]) {
        const data = Buffer.alloc(type === WRITE ? 100_000 : 0);
        t.match(await client.ask({ type, length: 100_000, data }), { error: EPERM });
      }
      t.match(await client.ask({ type: CACHE, length: 512 }), { error: OK });
      t.match(await client.ask({ type: BLOCK_STATUS, length: 512 }), { extents: [512, 0] });
      client.destroy();
    });

    t.test('more block status than may wait', async (t) => {
      const queue: (() => void)[] = [];
      const { address } = await serveMemory(t, { schedule: (work) => queue.push(work) });
      const client = await ChunkClient.go(address, style);
      for (let n = 0; n < 20; n++) {
        client.send({ type: BLOCK_STATUS, cookie: BigInt(n), length: 512 });
      }
      for (let n = 0; n < 20; n++) {
        await until(() => queue.length > 0, 'the next request');
        t.ok(queue.length <= 4);
        queue.shift()?.();
        t.match(await client.reply(), { cookie: BigInt(n), extents: [512, 0] });
      }
      client.destroy();
    });

    for (const { mode, zeroCopy } of modes) {
      t.test(`any requests, received ${mode}`, async (t) => {
        const { address, disk } = await serveMemory(t, { zeroCopy, data: sparse() });
        const client = await ChunkClient.go(address, style);
        const requests = fc.array(
          fc.record({
            type: fc.constantFrom(READ, WRITE, ZEROES, FLUSH, CACHE, BLOCK_STATUS, 99),
            offset: fc.nat(9 * MIB),
            length: fc.oneof(fc.nat(60), fc.nat(4 * MIB)),
            flags: fc.constantFrom(0, 0, 0, FUA, DF, REQ_ONE),
          }),
          { minLength: 1, maxLength: 20 },
        );
        await fc.assert(
          fc.asyncProperty(requests, async (all) => {
            const model = Buffer.from(disk.data);
            client.send(
              ...all.map((request, n) => ({
                ...request,
                cookie: BigInt(n),
                data: request.type === WRITE ? patterned(request.length, n) : Buffer.alloc(0),
              })),
            );
            for (const [n, { type, offset, length }] of all.entries()) {
              const reply = await client.reply(BigInt(offset));
              if (reply.cookie !== BigInt(n)) return false;
              if (reply.error !== OK) continue;
              const place = model.subarray(offset, offset + length);
              if (type === READ && !reply.data.equals(place)) return false;
              if (type === WRITE) patterned(length, n).copy(place);
              if (type === ZEROES) place.fill(0);
              if (type === BLOCK_STATUS && !fits(reply.extents ?? [], place)) return false;
            }
            return model.equals(disk.data) && disk.pool.lentBytes === 0;
          }),
          { numRuns: 30 },
        );
        client.destroy();
      });
    }
  });
}

/** Whether `extents` are within `place`, and zero where they say so. */
function fits(extents: number[], place: Buffer): boolean {
  let at = 0;
  for (let i = 0; i < extents.length; i += 2) {
    const [length = 0, flags = 0] = extents.slice(i, i + 2);
    const bytes = place.subarray(at, at + length);
    if (bytes.length !== length || length === 0) return false;
    if ((flags & 2) !== 0 && !bytes.equals(Buffer.alloc(length))) return false;
    at += length;
  }
  return at > 0;
}

t.test('extended: a payload that nothing takes is read past', async (t) => {
  const { address } = await serveMemory(t);
  const client = await ChunkClient.go(address, 'extended');
  client.send({ type: READ, flags: 32, cookie: 1n, length: 100_000, data: Buffer.alloc(100_000) });
  t.match(await client.reply(), { cookie: 1n, error: EINVAL, text: /payload/ });
  client.send({ type: READ, cookie: 2n, length: 512 });
  t.match(await client.reply(), { cookie: 2n, error: OK });
  client.send({ type: WRITE, cookie: 3n, length: 2n ** 40n });
  t.equal((await client.client.rest()).length, 0, 'but not one without end');
});

t.test('extended: a flag that was forgotten does not make a payload into requests', async (t) => {
  const { address, disk } = await serveMemory(t);
  const client = await ChunkClient.go(address, 'extended');
  const data = Buffer.alloc(512, 'x');
  t.match(await client.ask({ type: WRITE, flags: 0, length: 512, data }), { error: OK });
  t.ok(disk.data.subarray(0, 512).equals(data));
  t.match(await client.ask({ type: READ, length: 512 }), { error: OK });
  client.destroy();
});

t.test('extended: one zeroing of more than 4 GiB is one request', async (t) => {
  const { address, disk } = await serveMemory(t);
  const client = await ChunkClient.go(address, 'extended');
  t.match(await client.ask({ type: ZEROES, length: 2n ** 33n }), { error: ENOSPC });
  t.equal(disk.ran.zero, 0);
  client.destroy();
});

t.test('a compact header is garbage where extended ones were agreed on', async (t) => {
  const { address } = await serveMemory(t);
  const client = await ChunkClient.go(address, 'extended');
  client.send({ type: READ, magic: 0x25609513, length: 512 });
  t.equal((await client.client.rest()).length, 0);
});

t.test('a client that negotiates nothing gets simple replies for all', async (t) => {
  const { address } = await serveMemory(t, { data: sparse() });
  const client = await NbdClient.go(address);
  const { data, error } = await client.ask({ type: READ, offset: MIB, length: MIB });
  t.ok(error === OK && data.equals(Buffer.alloc(MIB)));
  t.match(await client.ask({ type: BLOCK_STATUS, length: 512 }), { error: EINVAL });
  t.match(await client.ask({ type: READ, flags: DF, length: 512 }), { error: EINVAL });
  client.destroy();
});
