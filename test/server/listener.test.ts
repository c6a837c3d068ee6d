// Listening and stopping: addresses that are taken, socket files that are stale, clients that are
// still connected. Nothing stays behind, and nothing of anybody else is touched.
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import t from 'tap';
import { VddkNbdError } from '../../src/base/errors.js';
import { CONNECTIONS_MAX, HANDSHAKE_TIMEOUT_MS } from '../../src/base/limits.js';
import type { ListenAddress } from '../../src/server/listening-socket.js';
import { SOCKET_PATH_BYTES_MAX } from '../../src/server/unix-socket.js';
import { infoBytes, NbdClient } from '../lib/nbd-client.js';
import { modes, serveMemory, until } from '../lib/nbd-server.js';
import { run, shortDir } from '../lib/serve.js';
import { ManualClock } from '../lib/sim-helper.js';

const [READ, WRITE] = [0, 1] as const;
const ESHUTDOWN = 108;
const LOCAL: ListenAddress = { kind: 'tcp', host: '127.0.0.1', port: 0 };

/** This process's file mode creation mask, as the kernel says. */
function umask(): string | undefined {
  return /Umask:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
}

/** The error with which listening fails. */
async function refusal(
  t: Parameters<typeof serveMemory>[0],
  address: ListenAddress,
): Promise<VddkNbdError> {
  try {
    await serveMemory(t, { address });
  } catch (error) {
    if (error instanceof VddkNbdError) return error;
    throw error;
  }
  throw new Error('it listens');
}

t.test('TCP', async (t) => {
  const { address, server } = await serveMemory(t, { address: LOCAL });
  if (address.kind !== 'tcp') throw new Error('not TCP');
  t.not(address.port, 0, 'a port was picked');
  const client = await NbdClient.go(address);
  t.match(await client.ask({ type: READ, length: 512 }), { error: 0 });
  const taken = await refusal(t, address);
  t.equal(taken.code, 'START');
  t.match(taken.message, `127.0.0.1 port ${address.port}`);
  t.match(taken.hint, /another port with -p/);
  await server.close(1000);
  t.equal((await client.rest()).length, 0);
  await t.rejects(NbdClient.connect(address), { code: 'ECONNREFUSED' });
});

t.test('an address of another machine', async (t) => {
  const { code, hint } = await refusal(t, { kind: 'tcp', host: '192.0.2.1', port: 0 });
  t.equal(code, 'START');
  t.match(hint, /-i/);
});

t.test('a unix socket is private, and goes', async (t) => {
  const before = umask();
  const { address, server } = await serveMemory(t);
  if (address.kind !== 'unix') throw new Error('not unix');
  t.equal(lstatSync(address.path).mode & 0o777, 0o600);
  t.equal(umask(), before);
  await server.close(0);
  t.notOk(existsSync(address.path));
  t.same(readdirSync(path.dirname(address.path)), []);
});

t.test('a stale socket is replaced, a live one is not', async (t) => {
  const address = { kind: 'unix', path: path.join(shortDir(t), 's') } as const;
  const leave = `require('net').createServer().listen(process.argv[1], () => process.abort())`;
  await run(process.execPath, ['-e', leave, address.path], { cwd: path.dirname(address.path) });
  t.ok(lstatSync(address.path).isSocket(), 'a dead server left it');
  const { server } = await serveMemory(t, { address });
  const client = await NbdClient.go(address);
  const { code, hint, message } = await refusal(t, address);
  t.equal(code, 'START');
  t.match(message, address.path);
  t.match(hint, /Another server listens there/);
  t.match(await client.ask({ type: READ, length: 512 }), { error: 0 }, 'the first one lives on');
  const again = await NbdClient.go(address);
  for (const each of [client, again]) each.destroy();
  await server.close(0);
  t.notOk(existsSync(address.path));
});

t.test('paths that are no sockets', async (t) => {
  const dir = shortDir(t);
  const file = path.join(dir, 'file');
  writeFileSync(file, 'precious');
  t.equal((await refusal(t, { kind: 'unix', path: file })).code, 'START');
  t.ok(lstatSync(file).isFile(), 'a file is left alone');
  const missing = await refusal(t, { kind: 'unix', path: path.join(dir, 'no/s') });
  t.match(missing.hint, /directory must exist/);
  const long = await refusal(t, { kind: 'unix', path: `/${'a'.repeat(SOCKET_PATH_BYTES_MAX)}` });
  t.match(long, { code: 'START', message: /too long/ });
});

t.test('a path that another server has taken over is left to it', async (t) => {
  const { address, server } = await serveMemory(t);
  if (address.kind !== 'unix') throw new Error('not unix');
  rmSync(address.path);
  const other = createServer().listen(address.path);
  await once(other, 'listening');
  await server.close(0);
  t.ok(lstatSync(address.path).isSocket());
  t.same(readdirSync(path.dirname(address.path)), ['s']);
  other.close();
});

for (const { mode, zeroCopy } of modes) {
  t.test(`close() with clients, receiving ${mode}`, async (t) => {
    const queue: (() => void)[] = [];
    const schedule = (work: () => void): void => void queue.push(work);
    const { address, server, disk } = await serveMemory(t, { zeroCopy, schedule });
    const [idle, haggles, busy, stuck] = [
      await NbdClient.go(address),
      await NbdClient.connect(address),
      await NbdClient.go(address),
      await NbdClient.go(address),
    ];
    await haggles.greet();
    busy.send({ type: READ, cookie: 1n, length: 100_000 });
    stuck.send({ type: WRITE, cookie: 2n, data: Buffer.alloc(100_000) });
    await until(() => queue.length === 2, 'both requests');
    const closed = server.close(300);
    t.equal((await idle.rest()).length, 0, 'who waits for nothing is gone at once');
    const replies = await haggles.option(7, infoBytes(''));
    t.match(replies, [{ type: 0x80000007 }], 'NBD_REP_ERR_SHUTDOWN');
    busy.send({ type: READ, cookie: 3n, length: 512 });
    t.match(await busy.reply(), { error: ESHUTDOWN, cookie: 3n }, 'new requests are refused');
    queue.shift()?.();
    t.match(await busy.reply(100_000), { error: 0, cookie: 1n }, 'old ones are answered');
    t.equal((await busy.rest()).length, 0);
    t.notOk(stuck.socket.destroyed, 'others are waited for');
    await closed;
    t.equal((await stuck.rest()).length, 0, 'for a while');
    await haggles.rest();
    t.equal(server.connectionCount, 0);
    const done = disk.close();
    queue.shift()?.();
    t.same(await done, [], 'what was in flight is not lost');
    t.equal(disk.ran.write, 1);
    t.equal(disk.pool.lentBytes, 0);
  });
}

t.test('close() returns when there is nothing to wait for', async (t) => {
  const { address, server } = await serveMemory(t);
  const client = await NbdClient.connect(address);
  await client.greet();
  const other = await NbdClient.go(address);
  await server.close(3_600_000);
  await client.rest();
  await other.rest();
  await server.close(3_600_000);
  t.equal(server.connectionCount, 0);
});

t.test('a handshake takes only so long', async (t) => {
  const clock = new ManualClock();
  const { address, server } = await serveMemory(t, { clock });
  const slow = await NbdClient.connect(address);
  await slow.greet();
  const done = await NbdClient.go(address);
  await clock.pass(HANDSHAKE_TIMEOUT_MS - 1);
  t.equal(server.connectionCount, 2);
  await clock.pass(1);
  await slow.rest();
  t.match(await done.ask({ type: READ, length: 512 }), { error: 0 });
  done.destroy();
  await clock.pass(1);
});

t.test('only so many connections', async (t) => {
  const { address, server } = await serveMemory(t);
  const clients: NbdClient[] = [];
  while (clients.length < CONNECTIONS_MAX) {
    const more = Array.from({ length: 128 }, () => NbdClient.go(address));
    clients.push(...(await Promise.all(more)));
  }
  const refused = await NbdClient.connect(address);
  t.equal((await refused.rest()).length, 0);
  t.equal(server.connectionCount, CONNECTIONS_MAX);
  clients.pop()?.destroy();
  await until(() => server.connectionCount < CONNECTIONS_MAX, 'room');
  const welcome = await NbdClient.go(address);
  for (const client of [...clients, welcome]) client.destroy();
});
