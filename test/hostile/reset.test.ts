// Connections that are reset (SO_LINGER 0) under load, hundreds of them, one after another.
import t from 'tap';
import { requestBytes } from '../lib/nbd-client.js';
import { besiege, READ, WRITE } from '../lib/siege.js';

t.test('resets', async (t) => {
  const siege = await besiege(t, { tcp: true, fault: 'check; delay=1ms' });
  const steady = await siege.go();
  const write = requestBytes({ type: WRITE, offset: 0, data: Buffer.alloc(100_000, 0xee) });
  for (let round = 0; round < 10; round++) {
    const clients = await siege.many(50, () => siege.go());
    for (const [index, client] of clients.entries()) {
      for (let n = 0; n < 20; n++) client.send({ type: READ, offset: 65_536 * n, length: 65_536 });
      client.write(write.subarray(0, (index * 2_000) % write.length));
    }
    const { data } = await steady.ask({ type: READ, offset: 100_000, length: 300_000 });
    t.ok(data.equals(siege.content.subarray(100_000, 400_000)), 'another client notices nothing');
    for (const client of clients) client.socket.resetAndDestroy();
  }
  steady.destroy();
  await siege.unharmed(t, '500 resets');
});
