// Requests with the wrong magic: nothing behind it can be trusted, so the connection is closed, and
// what was asked before it is answered.
import t from 'tap';
import { extendedRequestBytes, requestBytes } from '../lib/nbd-client.js';
import { besiege, FLUSH, READ, WRITE } from '../lib/siege.js';

t.test('bad magic in a request', async (t) => {
  const siege = await besiege(t);
  const write = { type: WRITE, offset: 0, data: Buffer.alloc(4096, 0xee) };
  for (const magic of [0, 0x25609512, 0x67446698, 0x668e33ef, 0x21e41c71, 0xffffffff]) {
    const mark = siege.log.length;
    const client = await siege.go();
    client.send({ ...write, magic }, write);
    t.equal((await client.rest()).length, 0, magic.toString(16));
    await siege.says(new RegExp(`bad request magic 0x${magic.toString(16)}\\b`), mark);
  }
  await siege.unharmed(t, 'compact headers');

  const compact = await siege.chunks('extended');
  compact.client.write(requestBytes({ type: READ, length: 512 }));
  compact.client.write(Buffer.alloc(4));
  t.equal((await compact.client.rest()).length, 0, 'a compact header after extended ones');
  const extended = await siege.chunks('structured');
  extended.client.write(extendedRequestBytes({ type: READ, length: 512 }));
  t.equal((await extended.client.rest()).length, 0, 'an extended header that was not agreed on');
  await siege.unharmed(t, 'headers of the other kind');

  const late = await siege.go();
  t.match(await late.ask({ type: READ, cookie: 1n, length: 512 }), { error: 0, cookie: 1n });
  late.send({ type: FLUSH, magic: 0x12345678 });
  t.equal((await late.rest()).length, 0);
  await siege.unharmed(t, 'a bad one after good ones');
});
