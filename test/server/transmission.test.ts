// Requests and replies over a socket, on a disk in memory, in both ways of receiving.
import fc from 'fast-check';
import t from 'tap';
import type { MemoryDisk } from '../../src/disk/memory-disk.js';
import { NbdClient, requestBytes } from '../lib/nbd-client.js';
import { modes, patterned, serveMemory, until } from '../lib/nbd-server.js';

const [READ, WRITE, DISC, FLUSH, TRIM, ZEROES] = [0, 1, 2, 3, 4, 6] as const;
const FUA = 1;
const [OK, EPERM, EIO, EINVAL, ENOSPC, ENOTSUP, ESHUTDOWN] = [0, 1, 5, 22, 28, 95, 108] as const;
const MIB = 1 << 20;

/** Runs requests of a disk when the test says so, in the order it says. */
function steps(): { schedule: (work: () => void) => void; queue: (() => void)[] } {
  const queue: (() => void)[] = [];
  return { queue, schedule: (work) => queue.push(work) };
}

function idle(disk: MemoryDisk): boolean {
  return disk.pool.lentBytes === 0;
}

for (const { mode, zeroCopy } of modes) {
  t.test(`receiving ${mode}`, async (t) => {
    t.test('read, write, write zeroes, flush', async (t) => {
      const { address, disk } = await serveMemory(t, { zeroCopy, data: patterned(8 * MIB) });
      const client = await NbdClient.go(address);
      const before = Buffer.from(disk.data);
      const data = patterned(3 * MIB + 17, 7);
      t.match(await client.ask({ type: WRITE, cookie: 1n, offset: 5, data }), { error: OK });
      t.match(await client.ask({ type: ZEROES, cookie: 2n, offset: 100, length: MIB }), {
        error: OK,
      });
      t.match(await client.ask({ type: FLUSH, cookie: 2n ** 64n - 1n }), {
        error: OK,
        cookie: 2n ** 64n - 1n,
      });
      data.copy(before, 5);
      before.fill(0, 100, 100 + MIB);
      const { data: all } = await client.ask({ type: READ, offset: 0, length: 8 * MIB });
      t.ok(all.equals(before), 'every byte is right');
      t.match(disk.ran, { read: 1, write: 1, zero: 1, flush: 1, fua: 0 });
      t.ok(idle(disk));
      client.destroy();
    });

    t.test('FUA reaches the disk with what writes only', async (t) => {
      const { address, disk } = await serveMemory(t, { zeroCopy });
      const client = await NbdClient.go(address);
      await client.ask({ type: READ, flags: FUA, length: 512 });
      t.equal(disk.ran.fua, 0);
      await client.ask({ type: WRITE, flags: FUA, data: Buffer.alloc(512) });
      await client.ask({ type: ZEROES, flags: FUA, length: 512 });
      t.equal(disk.ran.fua, 2);
      client.destroy();
    });

    t.test('refused requests leave the connection usable', async (t) => {
      const { address, disk } = await serveMemory(t, { zeroCopy, requestBytesMax: MIB });
      const client = await NbdClient.go(address);
      const refused = [
        [{ type: 99, length: 512 }, EINVAL],
        [{ type: TRIM, length: 512 }, EINVAL],
        [{ type: READ, offset: MIB - 1, length: 2 }, EINVAL],
        [{ type: READ, length: MIB + 1 }, EINVAL],
        [{ type: READ, length: 0 }, EINVAL],
        [{ type: READ, length: 0xffffffff }, EINVAL],
        [{ type: READ, flags: 16, length: 512 }, EINVAL],
        [{ type: WRITE, offset: MIB - 1, data: Buffer.alloc(2) }, ENOSPC],
        [{ type: WRITE, data: Buffer.alloc(0) }, EINVAL],
        [{ type: WRITE, offset: 2n ** 64n - 1n, data: Buffer.alloc(300_000) }, ENOSPC],
        [{ type: ZEROES, flags: 16, length: 512 }, ENOTSUP],
        [{ type: ZEROES, flags: 8, length: 512 }, EINVAL],
      ] as const;
      for (const [request, error] of refused) {
        const cookie = 77n;
        t.match(
          await client.ask({ ...request, cookie }),
          { error, cookie },
          `type ${request.type}`,
        );
      }
      const { data } = await client.ask({ type: READ, length: 4096 });
      t.ok(data.equals(disk.data.subarray(0, 4096)));
      t.match(disk.ran, { read: 1, write: 0, zero: 0 });
      client.destroy();
    });

    t.test('an oversize write is read past', async (t) => {
      const { address, disk } = await serveMemory(t, { zeroCopy, data: patterned(64 * MIB) });
      const client = await NbdClient.go(address);
      client.send({ type: WRITE, cookie: 1n, data: Buffer.alloc(33 * MIB, 0x25) });
      client.send({ type: READ, cookie: 2n, length: 512 });
      t.match(await client.reply(), { error: EINVAL, cookie: 1n });
      t.match(await client.reply(512), { error: OK, cookie: 2n });
      t.equal(disk.ran.write, 0);
      client.destroy();
    });

    t.test('a read-only disk', async (t) => {
      const { address, disk } = await serveMemory(t, { zeroCopy, readOnly: true });
      const client = await NbdClient.go(address);
      for (const type of [WRITE, ZEROES, TRIM]) {
        const data = Buffer.alloc(type === WRITE ? 100_000 : 0);
        const length = 100_000;
        t.match(await client.ask({ type, length, data }), { error: EPERM });
      }
      t.match(await client.ask({ type: READ, length: 512 }), { error: OK });
      t.equal(disk.ran.read, 1);
      client.destroy();
    });

    t.test("the disk's errors", async (t) => {
      const { address, disk } = await serveMemory(t, { zeroCopy });
      disk.failing.push(
        { op: 'read', startBytes: 4096, endBytes: 8192, error: 'EIO' },
        { op: 'write', startBytes: 4096, endBytes: 8192, error: 'ENOSPC' },
        { op: 'zero', startBytes: 4096, endBytes: 8192, error: 'ENOTSUP' },
        { op: 'flush', startBytes: 0, endBytes: 0, error: 'ESHUTDOWN' },
      );
      const client = await NbdClient.go(address);
      client.send(
        { type: READ, cookie: 1n, offset: 4000, length: 100_000 },
        { type: READ, cookie: 2n, offset: 8192, length: 100_000 },
      );
      t.match(await client.reply(100_000), { error: EIO, cookie: 1n }, 'an error has no payload');
      t.match(await client.reply(100_000), { error: OK, cookie: 2n });
      t.match(await client.ask({ type: WRITE, offset: 8191, data: Buffer.alloc(1) }), {
        error: ENOSPC,
      });
      t.match(await client.ask({ type: ZEROES, offset: 0, length: 5000 }), { error: ENOTSUP });
      t.match(await client.ask({ type: FLUSH }), { error: ESHUTDOWN });
      t.ok(idle(disk));
      client.destroy();
    });

    t.test('replies leave in the order of completion, each once', async (t) => {
      const { queue, schedule } = steps();
      const { address, disk } = await serveMemory(t, { zeroCopy, schedule });
      const client = await NbdClient.go(address);
      const cookies = [...Array(100).keys()];
      client.send(
        ...cookies.map((n) => ({ type: READ, cookie: BigInt(n), offset: n * 4096, length: 4096 })),
      );
      await until(() => queue.length === 100, 'all requests');
      for (const work of queue.splice(0).reverse()) work();
      for (const n of cookies.reverse()) {
        const { cookie, data } = await client.reply(4096);
        t.equal(cookie, BigInt(n));
        t.ok(data.equals(disk.data.subarray(n * 4096, (n + 1) * 4096)));
      }
      t.ok(idle(disk));
      client.send({ type: DISC });
      t.equal((await client.rest()).length, 0, 'and nothing more');
    });

    t.test('DISC waits for what is in flight', async (t) => {
      const { queue, schedule } = steps();
      const { address, server, disk } = await serveMemory(t, { zeroCopy, schedule });
      const client = await NbdClient.go(address);
      client.send(
        { type: READ, cookie: 1n, length: 100_000 },
        { type: WRITE, cookie: 2n, data: Buffer.alloc(100_000) },
        { type: DISC },
        { type: READ, cookie: 3n, length: 512 },
      );
      await until(() => queue.length === 2, 'both requests');
      for (const work of queue.splice(0)) work();
      t.match(await client.reply(100_000), { cookie: 1n });
      t.match(await client.reply(), { cookie: 2n });
      t.equal((await client.rest()).length, 0, 'what follows DISC is ignored');
      await until(() => server.connectionCount === 0, 'the end');
      t.ok(idle(disk));
      t.match(disk.ran, { read: 1, write: 1 });
    });

    t.test('a half-closed connection gets its replies', async (t) => {
      const { queue, schedule } = steps();
      const { address, server } = await serveMemory(t, { zeroCopy, schedule });
      const client = await NbdClient.go(address);
      client.socket.end(requestBytes({ type: READ, cookie: 9n, length: 50_000 }));
      await until(() => queue.length === 1, 'the request');
      queue.pop()?.();
      t.match(await client.reply(50_000), { cookie: 9n });
      await client.rest();
      await until(() => server.connectionCount === 0, 'the end');
    });

    t.test('garbage closes the connection, and only that', async (t) => {
      const { address, disk } = await serveMemory(t, { zeroCopy });
      const other = await NbdClient.go(address);
      const client = await NbdClient.go(address);
      client.send({ type: READ, cookie: 1n, length: 512 }, { type: READ, magic: 0x12560953 });
      await client.rest();
      const early = await NbdClient.connect(address);
      early.write(Buffer.alloc(100_000, 0xa5));
      await early.rest();
      t.match(await other.ask({ type: READ, length: 512 }), { error: OK });
      t.ok(idle(disk));
      other.destroy();
    });

    t.test('requests right behind the handshake', async (t) => {
      const { address } = await serveMemory(t, { zeroCopy });
      const client = await NbdClient.connect(address);
      const exportName = Buffer.concat([Buffer.from('\0\0\0\x03IHAVEOPT'), Buffer.alloc(8)]);
      exportName[15] = 1;
      const read = requestBytes({ type: READ, cookie: 5n, length: 512 });
      client.write(Buffer.concat([exportName, read]));
      await client.read(18 + 10);
      t.match(await client.reply(512), { cookie: 5n });
      client.destroy();
    });

    t.test('any cuts of a stream of requests', async (t) => {
      const requests = fc.array(
        fc.record({
          type: fc.constantFrom(READ, WRITE, ZEROES, FLUSH, 99),
          offset: fc.nat(MIB),
          length: fc.oneof(fc.nat(60), fc.nat(200_000)),
        }),
        { minLength: 1, maxLength: 12 },
      );
      const cuts = fc.array(fc.oneof(fc.nat(60), fc.nat(100_000)), { maxLength: 12 });
      const { address, disk } = await serveMemory(t, { zeroCopy });
      const client = await NbdClient.go(address);
      await fc.assert(
        fc.asyncProperty(requests, cuts, async (all, lengths) => {
          const model = Buffer.from(disk.data);
          const stream = Buffer.concat(
            all.map(({ type, offset, length }, n) => {
              const data = type === WRITE ? patterned(length, n + 1) : Buffer.alloc(0);
              return requestBytes({ type, offset, length, data, cookie: BigInt(n) });
            }),
          );
          let at = 0;
          for (const length of [...lengths, stream.length]) {
            client.write(stream.subarray(at, at + length));
            at += length;
            await new Promise((resolve) => setImmediate(resolve));
          }
          // Compared in the order of the requests: this disk runs each at once.
          for (const [n, { type, offset, length }] of all.entries()) {
            const { error, cookie, data } = await client.reply(type === READ ? length : 0);
            if (cookie !== BigInt(n)) return false;
            if (error !== OK) continue;
            const place = model.subarray(offset, offset + length);
            if (type === READ && !data.equals(place)) return false;
            if (type === WRITE) patterned(length, n + 1).copy(place);
            if (type === ZEROES) place.fill(0);
          }
          return model.equals(disk.data) && idle(disk);
        }),
        { numRuns: 40 },
      );
      client.destroy();
    });
  });
}
