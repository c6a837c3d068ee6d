// Flags and commands that no protocol has yet: in the handshake the door is closed, as the protocol
// wants it; a command is refused and the connection lives.
import t from 'tap';
import { besiege, EINVAL, FLUSH, READ, WRITE, ZEROES } from '../lib/siege.js';

t.test('flags of the future', async (t) => {
  const siege = await besiege(t);
  for (let bit = 2; bit < 32; bit++) {
    const client = await siege.connect();
    await client.greet((3 | (1 << bit)) >>> 0);
    t.equal((await client.rest()).length, 0, `handshake flag ${bit}`);
  }
  await siege.says(/unknown client flags 0x/, 0, 30);
  await siege.unharmed(t, 'handshake flags');

  const client = await siege.go();
  for (const type of [READ, WRITE, FLUSH, ZEROES]) {
    for (let bit = 5; bit < 16; bit++) {
      const data = type === WRITE ? { data: Buffer.alloc(4096, 0xee) } : { length: 4096 };
      const request = { type, flags: 1 << bit, ...(type === FLUSH ? {} : data) };
      t.match(await client.ask(request), { error: EINVAL }, `flag ${bit} with command ${type}`);
    }
  }
  for (const type of [4, 7, 8, 9, 100, 0x7fff, 0xffff]) {
    t.match(await client.ask({ type, length: 4096 }), { error: EINVAL }, `command ${type}`);
  }
  t.match(await client.ask({ type: READ, length: 512 }), { error: 0 }, 'it lives');
  client.destroy();

  const extended = await siege.chunks('extended');
  const payload = { flags: 32, data: Buffer.alloc(5000, 0xee) };
  for (const type of [READ, FLUSH, ZEROES, 7, 8, 0xffff]) {
    t.match(await extended.ask({ type, ...payload }), { error: EINVAL }, `payload of ${type}`);
  }
  t.match(await extended.ask({ type: READ, length: 512 }), { error: 0 }, 'payloads are read past');
  extended.destroy();
  await siege.unharmed(t, 'commands and their flags');
});
