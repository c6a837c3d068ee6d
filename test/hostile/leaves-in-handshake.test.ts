// Clients that leave in every state of the handshake: by closing, by ending their half, by a reset.
import t from 'tap';
import { contextBytes } from '../lib/chunk-client.js';
import { infoBytes, type NbdClient, optionBytes } from '../lib/nbd-client.js';
import { besiege } from '../lib/siege.js';

const FLAGS = Buffer.from([0, 0, 0, 3]);
const [ABORT, STARTTLS, LIST_CONTEXT, SET_CONTEXT] = [2, 5, 9, 10] as const;
const data: Record<number, Buffer> = {
  6: infoBytes('x'),
  7: infoBytes('x'),
  [LIST_CONTEXT]: contextBytes('', []),
  [SET_CONTEXT]: contextBytes('', ['base:allocation']),
};
/** What a client says before it leaves: nothing, or all up to some point in each option. */
const states: Record<string, Buffer> = {
  'before the greeting is answered': Buffer.alloc(0),
  'in its flags': FLAGS.subarray(0, 3),
  'after its flags': FLAGS,
};
for (const option of [1, ABORT, 3, STARTTLS, 6, 7, 8, LIST_CONTEXT, SET_CONTEXT, 11, 999]) {
  const bytes = optionBytes(option, data[option] ?? Buffer.alloc(0));
  states[`in the header of option ${option}`] = Buffer.concat([FLAGS, bytes.subarray(0, 10)]);
  states[`in the data of option ${option}`] = Buffer.concat([FLAGS, bytes.subarray(0, -1)]);
  states[`after option ${option}`] = Buffer.concat([FLAGS, bytes]);
}

const ways: Record<string, (client: NbdClient) => void> = {
  closes: (client) => {
    client.destroy();
  },
  'ends its half': (client) => client.socket.end(),
  resets: (client) => client.socket.resetAndDestroy(),
};

t.test('leaving in the handshake', async (t) => {
  const siege = await besiege(t, { tcp: true });
  for (const [way, leave] of Object.entries(ways)) {
    const clients = Object.values(states).map(async (bytes, index) => {
      const client = await siege.connect();
      // Some read the greeting first, some leave it.
      if (index % 2 === 0) await client.read(18);
      client.write(bytes);
      await new Promise((resolve) => setImmediate(resolve));
      leave(client);
      return client;
    });
    const left = await Promise.all(clients);
    if (way === 'ends its half') {
      await Promise.all(left.map((client) => client.rest()));
      t.pass('the server ends its half too, and waits for nothing');
    }
    for (const client of left) client.destroy();
    await siege.unharmed(t, way);
  }
});
