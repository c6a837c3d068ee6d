// Options that announce more data than any option has: read past and refused, or closed where the
// protocol has no refusal. Nothing is kept of them.
import t from 'tap';
import { OPTION_BYTES_MAX } from '../../src/base/limits.js';
import { infoBytes, optionBytes } from '../lib/nbd-client.js';
import { besiege } from '../lib/siege.js';

const TOO_BIG = 0x80000009;
const MIB = 1 << 20;

/** The header of an option that announces `lengthBytes` of data. */
function announced(option: number, lengthBytes: number): Buffer {
  const header = optionBytes(option);
  header.writeUInt32BE(lengthBytes, 12);
  return header;
}

t.test('options that are too long', async (t) => {
  const siege = await besiege(t);
  const client = await siege.connect();
  await client.greet();
  for (const option of [3, 5, 6, 7, 8, 9, 10, 11, 0x7777]) {
    t.match(await client.option(option, Buffer.alloc(OPTION_BYTES_MAX + 1)), [{ type: TOO_BIG }]);
  }
  t.match(await client.option(6, Buffer.alloc(64 * MIB)), [{ type: TOO_BIG }], '64 MiB');
  t.match((await client.option(7, infoBytes(''))).at(-1), { type: 1 }, 'and it goes on');
  client.destroy();
  await siege.unharmed(t, 'long options');

  const named = await siege.connect();
  await named.greet();
  named.write(announced(1, 0xffffffff));
  t.equal((await named.rest()).length, 0, 'NBD_OPT_EXPORT_NAME can only be closed');
  await siege.unharmed(t, 'a long name');

  const clients = await siege.many(100, () => siege.connect());
  for (const each of clients) {
    await each.greet();
    each.write(Buffer.concat([announced(6, 0xffffffff), Buffer.alloc(MIB)]));
  }
  for (const each of clients) each.destroy();
  await siege.unharmed(t, '4 GiB each, announced by a hundred clients');
});
