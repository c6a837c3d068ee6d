// More clients than --max-connections allows: the next is closed without a word, those that are in
// stay, places that become free are given again, and the log has no line for each.
import t from 'tap';
import type { NbdClient } from '../lib/nbd-client.js';
import { eventually } from '../lib/serve.js';
import { besiege, READ } from '../lib/siege.js';

t.test('beyond --max-connections', async (t) => {
  const siege = await besiege(t, { args: ['--max-connections', '20'] });
  const mark = siege.log.length;
  const inside = await siege.many(20, () => siege.go());
  let refused = 0;
  for (let n = 0; n < 500; n++) {
    const client = await siege.connect();
    if ((await client.rest()).length === 0) refused++;
  }
  t.equal(refused, 500, 'closed without a greeting');
  await siege.says(/client refused: 20 connections are open/, mark);
  t.ok(siege.log.slice(mark).split('\n').length < 20, 'a flood of clients is no flood of lines');
  for (const client of inside) {
    const { error } = await client.ask({ type: READ, length: 512 });
    if (error !== 0) t.fail('who was in was not served');
  }
  inside.pop()!.destroy();
  // The server takes a while to see that a client has gone.
  const enters = async (): Promise<NbdClient> => {
    let next: NbdClient | undefined;
    await eventually('a place', async () => {
      next = await siege.go().catch(() => undefined);
      return next !== undefined;
    });
    return next!;
  };
  const next = await enters();
  t.match(await next.ask({ type: READ, length: 512 }), { error: 0 }, 'a place that became free');
  next.destroy();
  for (const client of inside) client.destroy();
  for (const client of [await enters(), await enters()]) client.destroy();
  await siege.unharmed(t, 'too many clients');
});
