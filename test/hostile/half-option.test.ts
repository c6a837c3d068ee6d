// Silence in the middle of the handshake: the client is closed when its time is up, wherever it
// stopped, and those that speak are not.
import t from 'tap';
import { infoBytes, optionBytes } from '../lib/nbd-client.js';
import { besiege, READ } from '../lib/siege.js';

const go = optionBytes(7, infoBytes('some name'));

t.test('half an option', async (t) => {
  const siege = await besiege(t, { args: ['--timeout', '2s'] });
  const good = await siege.go();
  const partly = [
    Buffer.alloc(0),
    Buffer.from([0, 0]),
    Buffer.from([0, 0, 0, 3]),
    Buffer.concat([Buffer.from([0, 0, 0, 3]), go.subarray(0, 7)]),
    Buffer.concat([Buffer.from([0, 0, 0, 3]), go.subarray(0, 16)]),
    Buffer.concat([Buffer.from([0, 0, 0, 3]), go.subarray(0, go.length - 1)]),
  ];
  const clients = await Promise.all(
    partly.map(async (bytes) => {
      const client = await siege.connect();
      client.write(bytes);
      return client;
    }),
  );
  const greedy = await siege.connect();
  await greedy.greet();
  const trickle = setInterval(() => {
    greedy.write(Buffer.from([0x49]));
  }, 100);
  t.teardown(() => {
    clearInterval(trickle);
  });
  for (const [index, client] of clients.entries()) {
    t.equal((await client.rest()).length, 18, `${partly[index]!.length} bytes: the greeting alone`);
  }
  await greedy.rest();
  clearInterval(trickle);
  await siege.says(/handshake not finished in time/, 0, partly.length);
  t.match(await good.ask({ type: READ, length: 512 }), { error: 0 }, 'who was in time stays');
  good.destroy();
  await siege.unharmed(t, 'silence in the handshake');
});
