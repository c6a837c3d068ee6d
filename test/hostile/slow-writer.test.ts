// Clients that send byte by byte, from their flags to their payload: served like any other.
import t from 'tap';
import { infoBytes, type NbdClient, optionBytes, requestBytes } from '../lib/nbd-client.js';
import { besiege, FLUSH, READ, WRITE } from '../lib/siege.js';

/** Each byte in a packet of its own, as far as the socket allows. */
async function byteByByte(client: NbdClient, bytes: Buffer): Promise<void> {
  client.socket.setNoDelay(true);
  for (const byte of bytes) {
    await new Promise((resolve) => client.socket.write(Buffer.from([byte]), resolve));
  }
}

t.test('byte by byte', async (t) => {
  const siege = await besiege(t, { tcp: true });
  const slow = Array.from({ length: 10 }, async (_, n) => {
    const client = await siege.connect();
    await client.read(18);
    await byteByByte(client, Buffer.from([0, 0, 0, 3]));
    await byteByByte(client, optionBytes(7, infoBytes('')));
    const go = await client.optionReplies();
    const data = Buffer.alloc(1500, n + 1);
    const offset = 5_000 * n + 13;
    data.copy(siege.content, offset);
    await byteByByte(client, requestBytes({ type: WRITE, offset, data }));
    const wrote = await client.reply();
    await byteByByte(client, requestBytes({ type: READ, offset, length: data.length }));
    const read = await client.reply(data.length);
    client.destroy();
    return go.at(-1)?.type === 1 && wrote.error === 0 && read.data.equals(data);
  });
  const fast = await siege.go();
  for (let n = 0; n < 200; n++) {
    const { error } = await fast.ask({ type: FLUSH });
    if (error !== 0) t.fail('another client was not served');
  }
  fast.destroy();
  t.ok((await Promise.all(slow)).every(Boolean), 'all are served');
  await siege.unharmed(t, 'byte by byte');
});
