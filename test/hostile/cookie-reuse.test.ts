// The same cookie in many requests at once: the client's own affair. Each is served, and each reply
// carries it.
import t from 'tap';
import { besiege, READ, WRITE } from '../lib/siege.js';

t.test('one cookie for all', async (t) => {
  const siege = await besiege(t, { fault: 'check; delay=200us; complete=shuffle' });
  const client = await siege.go();
  const cookie = 0xffff_ffff_ffff_ffffn;
  const count = 200;
  const request = { type: READ, cookie, offset: 4096, length: 4096 };
  client.send(...Array.from({ length: count }, () => request));
  for (let n = 0; n < count; n++) {
    const reply = await client.reply(4096);
    if (reply.error !== 0 || reply.cookie !== cookie) t.fail(`reply ${n}: ${reply.error}`);
    if (!reply.data.equals(siege.content.subarray(4096, 8192))) t.fail(`reply ${n}: data`);
  }
  const data = siege.content.subarray(0, 512);
  client.send(...Array.from({ length: count }, () => ({ type: WRITE, cookie, data })));
  for (let n = 0; n < count; n++) t.match(await client.reply(), { error: 0, cookie });
  client.destroy();

  const chunks = await siege.chunks('extended');
  chunks.send(...Array.from({ length: count }, () => request));
  for (let n = 0; n < count; n++) {
    const reply = await chunks.reply(4096n);
    if (reply.cookie !== cookie || reply.data.length !== 4096) t.fail(`chunked reply ${n}`);
  }
  chunks.destroy();
  await siege.unharmed(t, 'cookies');
});
