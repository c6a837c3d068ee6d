// Metadata contexts: too many queries, counts that can't be true, strings that end nowhere, names
// that exist nowhere. Refused or ignored as the protocol says, and no more.
import t from 'tap';
import { contextBytes } from '../lib/chunk-client.js';
import { type NbdClient, infoBytes } from '../lib/nbd-client.js';
import { besiege, BLOCK_STATUS, EINVAL, type Siege } from '../lib/siege.js';

const [STRUCTURED, LIST_CONTEXT, SET_CONTEXT] = [8, 9, 10] as const;
const [ACK, INVALID, TOO_BIG] = [1, 0x80000003, 0x80000009] as const;

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

async function structured(siege: Siege): Promise<NbdClient> {
  const client = await siege.connect();
  await client.greet();
  await client.option(STRUCTURED);
  return client;
}

t.test('absurd metadata contexts', async (t) => {
  const siege = await besiege(t);
  const client = await structured(siege);
  const none = u32(0);
  const malformed = {
    nothing: Buffer.alloc(0),
    'no count': none,
    'a count of 2^32 - 1': Buffer.concat([none, u32(0xffffffff)]),
    'a query of 2^32 - 1 bytes': Buffer.concat([none, u32(1), u32(0xffffffff)]),
    'a name of 2^31 bytes': u32(0x80000000),
    'more than it counts': Buffer.concat([contextBytes('', ['base:']), Buffer.alloc(1)]),
    'no UTF-8': Buffer.concat([none, u32(1), u32(2), Buffer.from([0xc3, 0x28])]),
    'a NUL': contextBytes('', ['base:\0allocation']),
    'a string of 4097 bytes': contextBytes('', ['x'.repeat(4097)]),
  };
  for (const [what, data] of Object.entries(malformed)) {
    t.match((await client.option(SET_CONTEXT, data)).at(-1), { type: INVALID }, what);
    t.match((await client.option(LIST_CONTEXT, data)).at(-1), { type: INVALID }, what);
  }
  const many = Array.from({ length: 4000 }, () => '');
  t.match((await client.option(SET_CONTEXT, contextBytes('', many))).at(-1), { type: ACK });
  const tooMany = contextBytes('', [...many, ...many]);
  t.match((await client.option(SET_CONTEXT, tooMany)).at(-1), { type: TOO_BIG });
  const repeated = Array.from({ length: 800 }, () => 'base:allocation');
  const selected = await client.option(SET_CONTEXT, contextBytes('', repeated));
  t.equal(selected.length, 2, 'however often it is asked for, a context is selected once');
  t.match((await client.option(SET_CONTEXT, contextBytes('', ['nbd:x', '::', ':']))).at(-1), {
    type: ACK,
  });
  await client.option(7, infoBytes(''));
  const status = await client.ask({ type: BLOCK_STATUS, length: 512 }).catch(String);
  t.match(status, /bad reply magic/, 'a structured error');
  client.destroy();
  await siege.unharmed(t, 'absurd queries');

  const selects = await siege.chunks('structured');
  t.match(await selects.ask({ type: BLOCK_STATUS, length: 0 }), { error: EINVAL });
  const whole = await selects.ask({ type: BLOCK_STATUS, length: siege.content.length });
  t.equal(whole.error, 0);
  selects.destroy();
  await siege.unharmed(t, 'block status');
});
