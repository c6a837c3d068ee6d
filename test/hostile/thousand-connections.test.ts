// A thousand clients at once: each is served, and when they have gone nothing of them is left.
import t from 'tap';
import { besiege, FLUSH, READ, WRITE } from '../lib/siege.js';

t.test('1000 connections', async (t) => {
  const siege = await besiege(t, { slackKib: 96 * 1024 });
  for (const way of ['destroy', 'end'] as const) {
    const clients = await siege.many(1000, () => siege.go());
    const idleKib = siege.memoryKib - siege.peace.memoryKib;
    t.comment(`1000 idle connections: ${idleKib} KiB`);
    t.ok(idleKib < 64 * 1024, 'idle ones cost little');
    const served = clients.map(async (client, n) => {
      const offset = n * 4096;
      const data = siege.content.subarray(offset, offset + 4096);
      client.send({ type: WRITE, offset, data }, { type: FLUSH });
      client.send({ type: READ, offset, length: 4096 });
      const [wrote, flushed] = [await client.reply(), await client.reply()];
      const read = await client.reply(4096);
      return wrote.error + flushed.error + read.error === 0 && read.data.equals(data);
    });
    t.ok((await Promise.all(served)).every(Boolean), 'all are served');
    for (const client of clients) client.socket[way]();
    if (way === 'end') await Promise.all(clients.map((client) => client.rest()));
    await siege.unharmed(t, way);
  }
});
