// Clients that leave, or fall silent, or talk nonsense, in the handshake of TLS. Who is silent is
// closed by --timeout; nothing of the export is ever told in the clear.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import { Authority } from '../lib/certificates.js';
import { duplexPair } from '../lib/duplex-pair.js';
import { infoBytes, NbdClient, optionBytes } from '../lib/nbd-client.js';
import { eventually, run, shortDir } from '../lib/serve.js';
import { besiege, type Siege } from '../lib/siege.js';

const STARTTLS = 5;

/** A server that demands TLS, and its peace as noted by a client that has it. */
async function withTls(t: Test, more: string[]): Promise<Siege> {
  const dir = path.join(shortDir(t), 'tls');
  const ca = await Authority.make(path.join(dir, 'ca'));
  await ca.issue(dir, 'server');
  const tls = ['--tls=on', '--tls-certificates', dir];
  return besiege(t, { tcp: true, args: [...tls, ...more] });
}

/** A client that has been told to begin TLS. */
async function upgrading(siege: Siege): Promise<NbdClient> {
  const client = await siege.connect();
  await client.greet();
  const [reply] = await client.option(STARTTLS);
  if (reply?.type !== 1) throw new Error('TLS was refused');
  return client;
}

/** The first bytes that a real client of TLS sends. */
async function clientHello(): Promise<Buffer> {
  const [near, far] = duplexPair();
  const tls = connectTls({ socket: near, rejectUnauthorized: false });
  tls.on('error', () => undefined);
  const hello = await new Promise<Buffer>((resolve) => far.once('data', resolve));
  tls.destroy();
  return hello;
}

t.test('leaving in the handshake of TLS', async (t) => {
  const siege = await withTls(t, []);
  const hello = await clientHello();
  for (const bytes of [0, 1, 5, 100, hello.length].map((end) => hello.subarray(0, end))) {
    for (const way of ['destroy', 'end', 'resetAndDestroy'] as const) {
      const clients = await siege.many(20, () => upgrading(siege));
      for (const client of clients) {
        client.write(bytes);
        client.socket[way]();
      }
      if (way === 'end') await Promise.all(clients.map((client) => client.rest()));
      for (const client of clients) client.destroy();
    }
    await siege.unharmed(t, `${bytes.length} bytes of TLS`);
  }
});

t.test('silence in the handshake of TLS', async (t) => {
  const siege = await withTls(t, ['--timeout', '2s']);
  const hello = await clientHello();
  const clients = await siege.many(50, () => upgrading(siege));
  for (const [index, client] of clients.entries()) {
    client.write(hello.subarray(0, (index * hello.length) / clients.length));
  }
  await Promise.all(clients.map((client) => client.rest()));
  await siege.says(/handshake not finished in time/, 0, clients.length);
  await siege.unharmed(t, 'silence');
});

t.test('garbage behind STARTTLS', async (t) => {
  const siege = await withTls(t, []);
  const injections = [optionBytes(3), optionBytes(7, infoBytes('')), Buffer.alloc(100_000, 0x16)];
  for (const bytes of injections) {
    const mark = siege.log.length;
    const client = await siege.connect();
    await client.greet();
    client.write(Buffer.concat([optionBytes(STARTTLS), bytes]));
    t.equal((await client.rest()).length, 0, 'not even the acknowledgement');
    await siege.says(/bytes in the clear behind NBD_OPT_STARTTLS/, mark);
  }
  const records = [
    Buffer.from('GET / HTTP/1.0\r\n\r\n'),
    Buffer.alloc(70_000),
    Buffer.from('160303ffff', 'hex'),
    Buffer.concat([Buffer.from('1603010004', 'hex'), Buffer.from('01ffffff', 'hex')]),
    Buffer.from('15030100020228', 'hex'),
    optionBytes(3),
  ];
  for (const bytes of records) {
    const client = await upgrading(siege);
    client.write(bytes);
    client.socket.end();
    const said = await client.rest();
    // An alert of TLS at most: type 21.
    t.ok(said.length === 0 || said[0] === 21, `${said.length} bytes`);
    t.notMatch(said.toString('latin1'), /IHAVEOPT/);
    client.destroy();
  }
  await eventually('reasons', () => /client \d+: TLS: /.test(siege.log));
  await siege.unharmed(t, 'garbage');
});

/** What openssl's client says when it comes in through STARTTLS and does what `input` says. */
async function openssl(t: Test, siege: Siege, args: string[], input: string): Promise<string> {
  const door = createServer((socket) => {
    socket.on('error', () => undefined);
    void upgrading(siege).then((client) => {
      client.socket.removeAllListeners('data');
      socket.pipe(client.socket).pipe(socket);
    });
  }).listen(0, '127.0.0.1');
  await once(door, 'listening');
  t.teardown(() => door.close());
  const { port } = door.address() as AddressInfo;
  const place = ['-connect', `127.0.0.1:${port}`];
  // A second in which it can do what it is told.
  const script = `(printf '${input}'; sleep 1) | timeout 20 openssl s_client "$@" 2>&1`;
  return (await run('bash', ['-c', script, 'openssl', ...place, ...args])).stdout;
}

t.test('another handshake, and old versions', async (t) => {
  const siege = await withTls(t, []);
  const again = await openssl(t, siege, ['-tls1_2'], 'R\\n');
  t.match(again, /RENEGOTIATING[^]*no renegotiation/);
  const old = await openssl(t, siege, ['-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'], '');
  t.match(old, /alert protocol version/);
  await siege.says(/TLS: the client speaks no version of TLS from 1\.2 on/);
  await siege.unharmed(t, 'renegotiation');
});
