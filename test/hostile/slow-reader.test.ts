// Clients that take their replies a few bytes at a time: they get them, at their own speed, and the
// others don't wait for them.
import t from 'tap';
import { besiege, READ } from '../lib/siege.js';

const LENGTH = 200_000;

t.test('slow readers', async (t) => {
  const siege = await besiege(t);
  const slow = await siege.many(30, () => siege.go());
  for (const [n, client] of slow.entries()) {
    client.socket.pause();
    for (let m = 0; m < 5; m++) {
      client.send({ type: READ, cookie: BigInt(m), offset: n * 1000, length: LENGTH });
    }
    // A little now and then.
    const dribble = setInterval(() => {
      client.socket.resume();
      setImmediate(() => client.socket.pause());
    }, 20);
    t.teardown(() => {
      clearInterval(dribble);
    });
  }
  const fast = await siege.go();
  for (let n = 0; n < 50; n++) {
    const { data } = await fast.ask({ type: READ, offset: n * 10_000, length: 1 << 20 });
    if (!data.equals(siege.content.subarray(n * 10_000, n * 10_000 + (1 << 20)))) t.fail('data');
  }
  fast.destroy();
  const whole = slow.map(async (client, n) => {
    const expected = siege.content.subarray(n * 1000, n * 1000 + LENGTH);
    for (let m = 0; m < 5; m++) {
      const reply = await client.reply(LENGTH);
      if (reply.cookie !== BigInt(m) || !reply.data.equals(expected)) return false;
    }
    return true;
  });
  t.ok((await Promise.all(whole)).every(Boolean), 'every slow one got what it asked for');
  for (const client of slow) client.destroy();
  await siege.unharmed(t, 'slow readers');
});
