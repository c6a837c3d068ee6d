// Flow control: memory and records are bounded, nobody blocks anybody else for long, and whatever
// way a connection ends, it gives back what it holds.
import t from 'tap';
import {
  CONNECTION_REQUESTS_MAX,
  CONNECTION_REQUESTS_MIN,
  SERVER_REQUESTS_MAX,
  STALL_BYTES_MIN,
  STALL_TIMEOUT_MS,
} from '../../src/base/limits.js';
import type { MemoryDisk } from '../../src/disk/memory-disk.js';
import { NbdClient, requestBytes } from '../lib/nbd-client.js';
import { modes, patterned, serveMemory, until } from '../lib/nbd-server.js';
import { ManualClock } from '../lib/sim-helper.js';

const [READ, WRITE, FLUSH, ZEROES] = [0, 1, 3, 6] as const;
const MIB = 1 << 20;

/** Memory for one largest request of each of two sessions. */
const TIGHT = { memoryBytes: 2 * MIB, requestBytesMax: MIB };

function lentBytes(disk: MemoryDisk): number {
  return disk.pool.lentBytes;
}

/** A client that has sent the header and half of the payload of a write of 1 MiB. */
async function halfWrite(
  address: Parameters<typeof NbdClient.go>[0],
  disk: MemoryDisk,
): Promise<NbdClient> {
  const client = await NbdClient.go(address);
  const before = lentBytes(disk);
  const bytes = requestBytes({ type: WRITE, cookie: 1n, data: Buffer.alloc(MIB, 0xee) });
  client.write(bytes.subarray(0, bytes.length / 2));
  await until(() => lentBytes(disk) === before + MIB, 'the memory of the write');
  return client;
}

for (const { mode, zeroCopy } of modes) {
  t.test(`receiving ${mode}`, async (t) => {
    t.test('a half-received write leaves no trace', async (t) => {
      const local = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
      const { address, server, disk } = await serveMemory(t, {
        zeroCopy,
        ...TIGHT,
        address: local,
      });
      const before = Buffer.from(disk.data);
      for (const end of ['end', 'destroy', 'resetAndDestroy'] as const) {
        const client = await halfWrite(address, disk);
        client.socket[end]();
        await until(() => server.connectionCount === 0, `the close after ${end}`);
        t.equal(lentBytes(disk), 0, 'its memory came back');
      }
      t.ok(disk.data.equals(before));
      t.equal(disk.ran.write, 0);
    });

    t.test('a write that is here whole runs, also when its client is gone', async (t) => {
      const queue: (() => void)[] = [];
      const schedule = (work: () => void): void => void queue.push(work);
      const { address, server, disk } = await serveMemory(t, { zeroCopy, schedule });
      const client = await NbdClient.go(address);
      const data = patterned(200_000, 3);
      client.send({ type: WRITE, data }, { type: READ, length: 200_000 });
      await until(() => queue.length === 2, 'both requests');
      client.destroy();
      // What is in flight keeps its memory, and the connection stays until its last reply fails.
      for (const work of queue.splice(0)) work();
      await until(() => server.connectionCount === 0, 'the close');
      t.ok(disk.data.subarray(0, data.length).equals(data));
      t.equal(lentBytes(disk), 0);
    });

    t.test('who waits for memory blocks neither flushes nor others', async (t) => {
      const { address, disk } = await serveMemory(t, { zeroCopy, ...TIGHT });
      const first = await halfWrite(address, disk);
      const fits = await NbdClient.go(address);
      t.match(await fits.ask({ type: READ, length: MIB }), { error: 0 }, 'half is left for others');
      const second = await halfWrite(address, disk);
      fits.send({ type: READ, cookie: 3n, length: 4096 });
      const other = await NbdClient.go(address);
      t.match(await other.ask({ type: FLUSH }), { error: 0 });
      t.match(await other.ask({ type: ZEROES, offset: MIB - 512, length: 512 }), { error: 0 });
      t.equal(disk.ran.read, 1, 'the read waits');
      first.destroy();
      t.match(await fits.reply(4096), { error: 0, cookie: 3n }, 'until memory came back');
      for (const client of [second, fits, other]) client.destroy();
    });

    t.test('many writes through little memory', async (t) => {
      const data = Buffer.alloc(16 * MIB);
      const { address, disk } = await serveMemory(t, { zeroCopy, ...TIGHT, data });
      const expected = patterned(16 * MIB, 5);
      const clients = await Promise.all([0, 1, 2].map(() => NbdClient.go(address)));
      const length = 150_000;
      for (let n = 0, offset = 0; offset < expected.length; n++, offset += length) {
        const part = expected.subarray(offset, offset + length);
        clients[n % 3]!.send(
          { type: WRITE, offset, data: part },
          { type: READ, offset: 0, length: 1 },
        );
      }
      const count = Math.ceil(expected.length / length);
      for (let n = 0; n < count; n++) {
        t.match(await clients[n % 3]!.reply(), { error: 0 });
        t.match(await clients[n % 3]!.reply(1), { error: 0 });
      }
      t.ok(disk.data.equals(expected));
      t.equal(lentBytes(disk), 0);
      for (const client of clients) client.destroy();
    });

    t.test('a stalled client is closed when others wait, not before', async (t) => {
      const clock = new ManualClock();
      const { address, server, disk } = await serveMemory(t, { zeroCopy, clock, ...TIGHT });
      await halfWrite(address, disk);
      await halfWrite(address, disk);
      await clock.pass(10 * STALL_TIMEOUT_MS);
      t.equal(server.connectionCount, 2, 'nobody waits');
      const waits = await NbdClient.go(address);
      waits.send({ type: READ, length: 4096 });
      await new Promise((resolve) => setTimeout(resolve, 50));
      await clock.pass(STALL_TIMEOUT_MS / 2);
      t.equal(server.connectionCount, 3, 'not for long enough');
      await clock.pass(STALL_TIMEOUT_MS);
      t.match(await waits.reply(4096), { error: 0 });
      await until(() => server.connectionCount === 1, 'the stalled ones to go');
      waits.destroy();
      await until(() => lentBytes(disk) === 0, 'all memory');
      await clock.pass(1);
    });

    t.test('a slow client is not closed, one that gives a byte now and then is', async (t) => {
      const clock = new ManualClock();
      const { address, server, disk } = await serveMemory(t, { zeroCopy, clock, ...TIGHT });
      const slow = await halfWrite(address, disk);
      const trickling = await halfWrite(address, disk);
      const waits = await NbdClient.go(address);
      waits.send({ type: READ, length: 4096 });
      for (let n = 0; n < 7; n++) {
        slow.write(Buffer.alloc(STALL_BYTES_MIN / 4 + 1000));
        trickling.write(Buffer.alloc(100));
        await new Promise((resolve) => setTimeout(resolve, 20));
        await clock.pass(STALL_TIMEOUT_MS / 4);
      }
      t.match(await waits.reply(4096), { error: 0 }, 'the trickling one had to go');
      t.equal(server.connectionCount, 2);
      t.notOk(slow.socket.destroyed);
      for (const client of [slow, trickling, waits]) client.destroy();
      await clock.pass(1);
    });

    t.test('a client that does not read its replies', async (t) => {
      const data = patterned(4 * MIB);
      const { address, disk } = await serveMemory(t, { zeroCopy, ...TIGHT, data });
      const slow = await NbdClient.go(address);
      slow.socket.pause();
      const count = 60;
      const offsets = [...Array(count).keys()].map((n) => (n * 12_345) % (3 * MIB));
      slow.send(...offsets.map((offset) => ({ type: READ, offset, length: 300_000 })));
      await until(() => lentBytes(disk) > MIB / 2, 'reads');
      const other = await NbdClient.go(address);
      for (let n = 0; n < 20; n++) {
        t.match(await other.ask({ type: READ, length: 500_000 }), { error: 0 });
      }
      t.ok(lentBytes(disk) <= MIB, 'it holds no more than its half');
      slow.socket.resume();
      for (const offset of offsets) {
        const { data: bytes } = await slow.reply(300_000);
        if (!bytes.equals(data.subarray(offset, offset + 300_000))) t.fail(`bytes at ${offset}`);
      }
      await until(() => lentBytes(disk) === 0, 'all memory');
      for (const client of [slow, other]) client.destroy();
    });

    t.test('only so many requests are taken at once', async (t) => {
      const queue: (() => void)[] = [];
      const schedule = (work: () => void): void => void queue.push(work);
      const { address } = await serveMemory(t, { zeroCopy, schedule });
      const client = await NbdClient.go(address);
      const count = 2 * CONNECTION_REQUESTS_MAX + 100;
      client.send(...Array.from({ length: count }, (_, n) => ({ type: FLUSH, cookie: BigInt(n) })));
      for (let answered = 0; answered < count;) {
        const taken = Math.min(CONNECTION_REQUESTS_MAX, count - answered);
        await until(() => queue.length === taken, `${taken} requests`);
        await new Promise((resolve) => setTimeout(resolve, 20));
        t.equal(queue.length, taken);
        for (const work of queue.splice(0)) work();
        for (let n = 0; n < taken; n++) {
          const { cookie } = await client.reply();
          if (cookie !== BigInt(answered++)) t.fail(`cookie ${cookie}`);
        }
      }
      client.destroy();
    });
  });
}

t.test('200 connections', async (t) => {
  const { address, server, disk } = await serveMemory(t);
  const clients = await Promise.all(Array.from({ length: 200 }, () => NbdClient.go(address)));
  t.equal(server.connectionCount, 200);
  const work = clients.map(async (client, n) => {
    const data = patterned(4096, n + 1);
    await client.ask({ type: WRITE, offset: n * 4096, data });
    const { data: read } = await client.ask({ type: READ, offset: n * 4096, length: 4096 });
    return read.equals(data);
  });
  t.ok((await Promise.all(work)).every(Boolean));
  for (const client of clients) client.destroy();
  await until(() => server.connectionCount === 0, 'all to go');
  t.equal(lentBytes(disk), 0);
});

t.test('requests of all connections together', async (t) => {
  const queue: (() => void)[] = [];
  const schedule = (work: () => void): void => void queue.push(work);
  const { address } = await serveMemory(t, { schedule });
  const many = Array.from({ length: 1100 }, (_, n) => ({ type: FLUSH, cookie: BigInt(n) }));
  const greedy = SERVER_REQUESTS_MAX / CONNECTION_REQUESTS_MAX;
  const clients = await Promise.all(
    Array.from({ length: greedy + 2 }, () => NbdClient.go(address)),
  );
  let expected = 0;
  for (const [index, client] of clients.entries()) {
    client.send(...many);
    expected += index < greedy ? CONNECTION_REQUESTS_MAX : CONNECTION_REQUESTS_MIN;
    await until(() => queue.length === expected, `${expected} requests`);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(queue.length, expected, 'a few of each, and no more');
  const working = setInterval(() => {
    for (const work of queue.splice(0)) work();
  }, 1);
  for (const client of clients) {
    for (const { cookie } of many) {
      const reply = await client.reply();
      if (reply.cookie !== cookie) t.fail(`cookie ${reply.cookie}`);
    }
    client.destroy();
  }
  clearInterval(working);
  t.pass('all are answered in the end');
});

t.test('requests of clients that have gone count, however many come', async (t) => {
  const queue: (() => void)[] = [];
  const schedule = (work: () => void): void => void queue.push(work);
  const connectionsMax = 100;
  const tcp = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
  const { address, server } = await serveMemory(t, { address: tcp, schedule, connectionsMax });
  const requestsMax = SERVER_REQUESTS_MAX + connectionsMax * CONNECTION_REQUESTS_MIN;
  // Who has as many as he may have is read from no more, and so is not seen to leave.
  const few = Array.from({ length: CONNECTION_REQUESTS_MIN - 1 }, () => ({ type: FLUSH }));
  while (queue.length < requestsMax) {
    const expected = queue.length + connectionsMax * few.length;
    const going = Array.from({ length: connectionsMax }, () => NbdClient.go(address));
    const clients = await Promise.all(going);
    for (const client of clients) client.send(...few);
    await until(() => queue.length === expected, 'requests');
    // One who only ends his stream may still read replies, and counts until he has them.
    for (const client of clients) client.socket.resetAndDestroy();
    await until(() => server.connectionCount === 0, 'the close');
  }
  const refused = await NbdClient.connect(address);
  t.equal((await refused.rest()).length, 0, 'closed at once');
  for (const work of queue.splice(0)) work();
  const welcome = await NbdClient.go(address);
  t.pass('a client is served when they are done');
  welcome.destroy();
});
