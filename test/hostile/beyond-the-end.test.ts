// Reads and writes past the end of the disk, up to offsets and lengths that wrap: the error of the
// protocol, not a byte touched, and the connection lives.
import t from 'tap';
import { besiege, BLOCK_STATUS, CACHE, EINVAL, ENOSPC, READ, WRITE, ZEROES } from '../lib/siege.js';

const MAX = 2n ** 64n;

t.test('beyond the end', async (t) => {
  const siege = await besiege(t);
  const size = BigInt(siege.content.length);
  const ranges: [bigint, number][] = [
    [size, 1],
    [size - 1n, 2],
    [size - 511n, 512],
    [0n, Number(size) + 1],
    [2n ** 63n, 512],
    [2n ** 63n - 1n, 1],
    [MAX - 1n, 1],
    [MAX - 512n, 512],
    [MAX - 1n, 0xffffffff],
    [size, 0],
  ];
  const compact = await siege.go();
  for (const [offset, length] of ranges) {
    const where = `${length} bytes at ${offset}`;
    const beyond = length === 0 ? EINVAL : ENOSPC;
    t.match(await compact.ask({ type: READ, offset, length }), { error: EINVAL }, where);
    t.match(await compact.ask({ type: ZEROES, offset, length }), { error: beyond }, where);
    if (length > 1 << 20) continue;
    const data = Buffer.alloc(length, 0xee);
    t.match(await compact.ask({ type: WRITE, offset, data }), { error: beyond }, where);
  }
  t.match(await compact.ask({ type: WRITE, data: Buffer.alloc(33 << 20) }), { error: ENOSPC });
  t.match(await compact.ask({ type: READ, length: 512 }), { error: 0 }, 'it lives');
  compact.destroy();
  await siege.unharmed(t, 'compact headers');

  const extended = await siege.chunks('extended');
  for (const type of [READ, ZEROES, CACHE, BLOCK_STATUS]) {
    const error = type === ZEROES ? ENOSPC : EINVAL;
    for (const length of [size + 1n, 2n ** 53n, 2n ** 63n, MAX - 1n]) {
      t.match(await extended.ask({ type, length }), { error }, `${type}: ${length}`);
      t.match(await extended.ask({ type, offset: MAX - 1n, length }), { error });
    }
  }
  extended.destroy();
  await siege.unharmed(t, 'extended headers');
});
