// Clients that leave after GO: at once, in a header, in a payload, with replies pending. A request
// that came whole is done all the same; of another one nothing is.
import t from 'tap';
import { type NbdClient, requestBytes } from '../lib/nbd-client.js';
import { besiege, DISC, FLUSH, READ, WRITE } from '../lib/siege.js';

const MIB = 1 << 20;
const write = requestBytes({ type: WRITE, offset: 0, data: Buffer.alloc(200_000, 0xee) });
const reads = Array.from({ length: 50 }, (_, n) =>
  requestBytes({ type: READ, offset: n * 100_000, length: 300_000 }),
);
const states: Record<string, Buffer> = {
  'after GO': Buffer.alloc(0),
  'in a header': write.subarray(0, 27),
  'after a header': write.subarray(0, 28),
  'in a payload': write.subarray(0, 150_000),
  'with replies pending': Buffer.concat(reads),
  'with replies pending and a header': Buffer.concat([...reads, write.subarray(0, 11)]),
  'with replies pending and a payload': Buffer.concat([...reads, write.subarray(0, 99_999)]),
  'behind DISC': Buffer.concat([
    ...reads.slice(0, 5),
    requestBytes({ type: DISC }),
    write,
    Buffer.alloc(5000),
  ]),
};

const ways: Record<string, (client: NbdClient) => void> = {
  closes: (client) => {
    client.destroy();
  },
  'ends its half': (client) => client.socket.end(),
  resets: (client) => client.socket.resetAndDestroy(),
};

t.test('leaving in the transmission phase', async (t) => {
  const siege = await besiege(t, { tcp: true, fault: 'check; delay=2ms' });
  for (const [way, leave] of Object.entries(ways)) {
    for (const [state, bytes] of Object.entries(states)) {
      for (const waitMs of [0, 10]) {
        const client = await siege.go();
        client.write(bytes);
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        leave(client);
        if (way === 'ends its half') await client.rest();
        if (way === 'ends its half' && state === 'with replies pending') {
          t.equal((await client.rest()).length, 50 * 300_016, 'it gets all that it asked for');
        }
        client.destroy();
      }
    }
    await siege.unharmed(t, way);
  }

  const whole = siege.content;
  for (let n = 0; n < 20; n++) {
    const data = Buffer.alloc(50_000, n + 1);
    const bytes = requestBytes({ type: WRITE, offset: MIB + n * data.length, data });
    data.copy(whole, MIB + n * data.length);
    const client = await siege.go();
    client.send({ type: FLUSH });
    client.socket.write(bytes, () => client.socket.end());
    await client.rest();
    client.destroy();
  }
  await siege.unharmed(t, 'whole writes of clients that left, and they are on the disk');
});
