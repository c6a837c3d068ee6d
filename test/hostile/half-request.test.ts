// Half a request header, then silence, then nobody: it costs a connection and nothing else.
import t from 'tap';
import { requestBytes } from '../lib/nbd-client.js';
import { besiege, READ, WRITE } from '../lib/siege.js';

t.test('half a header', async (t) => {
  const siege = await besiege(t);
  const header = requestBytes({ type: READ, length: 512 });
  const clients = await siege.many(200, () => siege.go());
  for (const [index, client] of clients.entries()) client.write(header.subarray(0, index % 28));
  const [first] = clients;
  first!.write(header);
  t.match(await first!.reply(512), { error: 0 }, 'nothing of a header is a header to come');
  for (const client of clients.slice(0, 100)) client.socket.end();
  await Promise.all(clients.slice(1, 100).map((client) => client.rest()));
  for (const client of clients) client.destroy();
  await siege.unharmed(t, 'half headers');

  const write = requestBytes({ type: WRITE, offset: 0, data: Buffer.alloc(8192, 0xee) });
  for (let cut = 1; cut < 28; cut++) {
    const client = await siege.go();
    client.write(write.subarray(0, cut));
    client.socket.end();
    t.equal((await client.rest()).length, 0);
  }
  await siege.unharmed(t, 'headers that end at every byte');
});
