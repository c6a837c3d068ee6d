// Clients that take all descriptors they can get: those that a new helper and a new spare need are
// kept from them, so that the library may die all the same.
import t from 'tap';
import type { NbdClient } from '../lib/nbd-client.js';
import { eventually } from '../lib/serve.js';
import { besiege, READ } from '../lib/siege.js';

const DESCRIPTORS = 128;

t.test('descriptors that clients can not have', async (t) => {
  const siege = await besiege(t, { nofile: DESCRIPTORS });
  const { rehearsal } = siege;
  const inside: NbdClient[] = [];
  let refused = 0;
  const knock = async (): Promise<void> => {
    const client = await siege.go().catch(() => undefined);
    if (client === undefined) refused++;
    else inside.push(client);
  };
  for (let n = 0; n < DESCRIPTORS + 20; n++) await knock();
  t.ok(inside.length > 30 && refused > 20, `${inside.length} were served, ${refused} refused`);
  await siege.says(/clients? refused: the other descriptors are for helpers.*ulimit -n/);
  for (let death = 1; death <= 3; death++) {
    await eventually('helper and spare', () => rehearsal.server.helpers.length === 2);
    for (const pid of rehearsal.server.helpers) process.kill(pid, 'SIGKILL');
    // What the dead leave is taken at once.
    for (let n = 0; n < 20; n++) await knock();
    const reply = await inside[0]!.ask({ type: READ, offset: 4096, length: 100_000 });
    t.ok(reply.data.equals(siege.content.subarray(4096, 104_096)), `read after death ${death}`);
    t.equal(rehearsal.deaths(), death);
  }
  for (const client of inside) client.destroy();
  await eventually('a place', async () => {
    const client = await siege.go().catch(() => undefined);
    client?.destroy();
    return client !== undefined;
  });
  t.match(await rehearsal.server.stop(), { exitCode: 0 });
});
