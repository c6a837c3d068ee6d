// Half a payload, then silence: its memory is lent as long as nobody else needs it, none of it ever
// reaches the disk, and it is free again when the client goes.
import t from 'tap';
import { requestBytes } from '../lib/nbd-client.js';
import { besiege, FLUSH, READ, WRITE } from '../lib/siege.js';

const MIB = 1 << 20;

t.test('half a payload', async (t) => {
  const siege = await besiege(t, { args: ['--memory', '16M'] });
  const bytes = requestBytes({ type: WRITE, offset: 0, data: Buffer.alloc(2 * MIB, 0xee) });
  for (const part of [28, 29, 4096, MIB, bytes.length - 1]) {
    const clients = await siege.many(40, () => siege.go());
    for (const client of clients) client.write(bytes.subarray(0, part));
    const other = await siege.go();
    t.match(await other.ask({ type: FLUSH }), { error: 0 }, 'a flush needs no memory');
    const read = await other.ask({ type: READ, length: 2 * MIB });
    t.match(read, { error: 0 }, 'reads have memory of their own');
    t.ok(read.data.equals(siege.content.subarray(0, 2 * MIB)), 'half a write is none');
    other.destroy();
    for (const client of clients) client.destroy();
    await siege.unharmed(t, `${part} bytes of a write`);
  }
});
