// Abuse of extended headers: lengths of 2^64 - 1, payloads where none belongs, none where one does,
// and a payload so long that nobody can send it.
import t from 'tap';
import { optionBytes } from '../lib/nbd-client.js';
import { besiege, BLOCK_STATUS, DISC, EINVAL, ENOSPC, FLUSH, READ, WRITE } from '../lib/siege.js';

const PAYLOAD_LEN = 32;
const MAX = 2n ** 64n;

t.test('extended headers', async (t) => {
  const siege = await besiege(t);
  const client = await siege.chunks('extended');
  const { length: size } = siege.content;
  t.match(await client.ask({ type: FLUSH, length: 1 }), { error: EINVAL });
  t.match(await client.ask({ type: FLUSH, offset: MAX - 1n }), { error: EINVAL });
  t.match(await client.ask({ type: READ, flags: PAYLOAD_LEN, data: Buffer.alloc(512) }), {
    error: EINVAL,
  });
  const long = { type: WRITE, offset: size - 10, data: Buffer.alloc(40 << 20, 0xee) };
  t.match(await client.ask(long), { error: ENOSPC }, 'a payload of 40 MiB is read past');
  t.match(await client.ask({ type: BLOCK_STATUS, length: size }), { error: 0 });
  client.destroy();
  await siege.unharmed(t, 'what is refused');

  for (const length of [2n ** 32n, 2n ** 53n, MAX - 1n]) {
    const mark = siege.log.length;
    const boastful = await siege.chunks('extended');
    boastful.send({ type: WRITE, length, data: Buffer.alloc(1 << 20, 0xee) });
    t.equal((await boastful.client.rest()).length, 0, `a payload of ${length} bytes`);
    await siege.says(/client \d+: a payload of \d+ bytes/, mark);
  }
  await siege.unharmed(t, 'payloads that nobody can send');

  const old = await siege.connect();
  await old.greet();
  t.match(await old.option(11), [{ type: 1 }]);
  t.match(await old.option(8), [{ type: 0x8000000a }], 'no way back to structured replies');
  old.write(optionBytes(1));
  t.equal((await old.rest()).length, 0, 'nor to NBD_OPT_EXPORT_NAME');
  const leaves = await siege.chunks('extended');
  leaves.send({ type: READ, length: 512 }, { type: DISC, length: MAX - 1n });
  t.match(await leaves.reply(), { error: 0 });
  await leaves.client.rest();
  await siege.unharmed(t, 'the order of options');
});
