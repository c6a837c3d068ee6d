// Options whose long answers are never read: the server waits with the next option, holds little,
// and closes the client when its time for a handshake is up.
import t from 'tap';
import { OPTIONS_MAX } from '../../src/base/limits.js';
import { optionBytes } from '../lib/nbd-client.js';
import { RUN } from '../lib/serve.js';
import { besiege } from '../lib/siege.js';

const [ABORT, LIST] = [2, 3] as const;

t.test('lists that nobody reads', async (t) => {
  // Disks that nobody opens, with long names.
  const exports = Array.from({ length: 200 }, (_, n) => [
    '--export',
    `${n}${'x'.repeat(400)}=${RUN}`,
  ]).flat();
  const siege = await besiege(t, { args: [...exports, '--timeout', '3s'] });
  const greedy = await siege.connect();
  await greedy.greet();
  const [, second] = await greedy.option(LIST);
  t.ok(second!.data.length > 400, 'an entry of the list is long');
  greedy.destroy();

  const clients = await siege.many(100, () => siege.connect());
  const lists = Buffer.concat(Array.from({ length: OPTIONS_MAX - 1 }, () => optionBytes(LIST)));
  for (const client of clients) {
    await client.greet();
    client.socket.pause();
    client.write(Buffer.concat([lists, optionBytes(ABORT)]));
  }
  let mostKib = 0;
  for (let n = 0; n < 20; n++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    mostKib = Math.max(mostKib, siege.memoryKib);
  }
  // All answers would be 100 times 64 times 100 KiB.
  t.ok(mostKib - siege.peace.memoryKib < 100 * 1024, `${mostKib - siege.peace.memoryKib} KiB`);
  await siege.unharmed(t, 'unread lists, closed by the server');
  for (const client of clients) client.destroy();
});
