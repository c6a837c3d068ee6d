// Options that do not begin with IHAVEOPT, and a greeting answered with something else: closed.
import t from 'tap';
import { optionBytes } from '../lib/nbd-client.js';
import { besiege } from '../lib/siege.js';

t.test('bad magic in the handshake', async (t) => {
  const siege = await besiege(t);
  const list = optionBytes(3);
  const wrong = {
    'one bit': Buffer.concat([Buffer.from([list[0]! ^ 1]), list.subarray(1)]),
    'the magic of a reply': Buffer.concat([Buffer.from('0003e889045565a9', 'hex'), list]),
    zeroes: Buffer.alloc(64),
    HTTP: Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  };
  for (const [what, bytes] of Object.entries(wrong)) {
    const mark = siege.log.length;
    const client = await siege.connect();
    await client.greet();
    client.write(bytes);
    t.equal((await client.rest()).length, 0, `${what}: closed without a word`);
    await siege.says(/client \d+: bad option magic/, mark);
  }
  const good = await siege.connect();
  await good.greet();
  t.match((await good.option(3)).at(-1), { type: 1 });
  good.write(Buffer.alloc(16));
  await good.rest();
  await siege.unharmed(t, 'bad magic');
});
