// Sending past a stream: everything arrives, in order, and nothing is sent past bytes that wait.
import t, { type Test } from 'tap';
import { createServer, connect, type Socket } from 'node:net';
import path from 'node:path';
import { canMoveSocket, moveSocket, sendAllNow, sendNow } from '../../src/base/sockets.js';
import { shortDir } from '../lib/serve.js';

/** An accepted socket that was moved, what it has received, and its peer. */
async function moved(
  t: Test,
): Promise<{ socket: Socket; peer: Socket; received: () => string; peerHas: () => Buffer }> {
  const file = path.join(shortDir(t), 's');
  const chunks: Buffer[] = [];
  const landing = Buffer.alloc(16);
  let received = '';
  const accepted = new Promise<Socket>((resolve) => {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (first) => {
      t.ok(canMoveSocket(first));
      const landed = (byteCount: number): void => {
        received += landing.toString('latin1', 0, byteCount);
      };
      resolve(moveSocket(first, { next: landing, landed }, true));
      server.close();
    });
    server.listen(file);
  });
  const peer = connect(file);
  peer.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
  });
  const socket = await accepted;
  t.teardown(() => {
    socket.destroy();
    peer.destroy();
  });
  const peerHas = (): Buffer => Buffer.concat(chunks);
  return { socket, peer, received: () => received, peerHas };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

t.test('parts of a buffer and whole buffers arrive, and so does what comes back', async (t) => {
  const { socket, peer, peerHas, received } = await moved(t);
  t.equal(sendNow(socket, Buffer.from('0123456789'), 2, 5), 3);
  t.equal(sendAllNow(socket, [Buffer.from('a'), Buffer.from('bc'), Buffer.from('def')]), 6);
  await until(() => peerHas().length === 9);
  t.equal(peerHas().toString(), '234abcdef');
  peer.write('x'.repeat(40));
  await until(() => received().length === 40);
});

t.test('nothing overtakes what the stream has to send', async (t) => {
  const { socket, peer, peerHas } = await moved(t);
  peer.pause();
  const large = Buffer.alloc(4 << 20, 'L');
  const sent = sendNow(socket, large, 0, large.length);
  t.ok(sent > 0 && sent < large.length, 'the kernel takes a part');
  socket.write(large.subarray(sent));
  t.equal(sendNow(socket, Buffer.from('late'), 0, 4), 0);
  t.equal(sendAllNow(socket, [Buffer.from('late')]), 0);
  peer.resume();
  await until(() => socket.writableLength === 0);
  t.equal(sendNow(socket, Buffer.from('end'), 0, 3), 3);
  await until(() => peerHas().length === large.length + 3);
  t.ok(peerHas().subarray(0, large.length).equals(large));
  t.equal(peerHas().subarray(large.length).toString(), 'end');
});

t.test('a socket that is gone, or that was ended, takes nothing', async (t) => {
  const { socket, peer } = await moved(t);
  socket.on('error', () => undefined);
  peer.destroy();
  await new Promise((resolve) => socket.once('end', resolve));
  t.equal(sendNow(socket, Buffer.from('x'), 0, 1), 0);
  const other = await moved(t);
  other.socket.end();
  t.equal(sendNow(other.socket, Buffer.from('x'), 0, 1), 0);
  other.socket.destroy();
  t.equal(sendAllNow(other.socket, [Buffer.from('x')]), 0);
});

t.test('what is out of bounds is not sent', async (t) => {
  const { socket } = await moved(t);
  for (const [start, end] of [
    [0, 4],
    [-1, 2],
    [2, 1],
    [1, 1],
  ] as const) {
    t.equal(sendNow(socket, Buffer.from('abc'), start, end), 0, `${start} to ${end}`);
  }
});
