// What the real helper counts and tells of its calls when HELLO asks for it.
import t from 'tap';
import { readCallCounts } from '../../src/helper/call-counts.js';
import { TRACE } from '../../src/helper/protocol.js';
import { ARENA_BYTES, Driver, LIBRARIES } from './driver.js';

const COUNTERS = ARENA_BYTES - 4096;

/** HELLO with `more`, one connection, a write, a flush, two reads, the end. */
async function live(helper: Driver, library: string, more: object): Promise<void> {
  await helper.hello([library], more);
  await helper.call('CONNECT', { readOnly: false });
  await helper.call('OPEN', { path: '/disk.vmdk', flags: 0 });
  await helper.io(['WRITE', 8, 4, 0]);
  await helper.io(['FLUSH', 0, 0, 0]);
  await helper.io(['READ', 0, 8, 0], ['READ', 8, 2, 4096]);
}

async function end(helper: Driver): Promise<void> {
  await helper.call('CLOSE');
  helper.end();
  await helper.ended;
}

const counted = (helper: Driver): Record<string, [number, number]> =>
  Object.fromEntries(
    readCallCounts(helper.read(COUNTERS, 4096)).map(({ name, calls, bytes }) => [
      name,
      [Number(calls), Number(bytes)],
    ]),
  );

t.test('counters', async (t) => {
  const helper = new Driver(t, { env: { FAKE_COMPLETION: 'late' } });
  await live(helper, LIBRARIES.full, { countersOffset: COUNTERS });
  const query = { startSector: 0, nrSectors: 256, chunkSectors: 128 };
  await helper.call('ALLOCATED_BLOCKS', query);
  await end(helper);
  t.match(counted(helper), {
    InitEx: [1, 0],
    ConnectEx: [1, 0],
    Open: [1, 0],
    WriteAsync: [1, 2048],
    ReadAsync: [2, 5120],
    Flush: [1, 0],
    QueryAllocatedBlocks: [1, 131072],
    Close: [1, 0],
    Disconnect: [1, 0],
    Exit: [1, 0],
  });
  t.notOk('Read' in counted(helper));
});

t.test('counters of a library without asynchronous calls', async (t) => {
  const helper = new Driver(t);
  await live(helper, LIBRARIES.sync5, { countersOffset: COUNTERS });
  await end(helper);
  t.match(counted(helper), { Write: [1, 2048], Read: [2, 5120] });
  t.notOk('Wait' in counted(helper), 'what is not there is not counted');
});

t.test('counters are added to what is there, and survive a kill', async (t) => {
  const helper = new Driver(t);
  const before = Buffer.alloc(24);
  before.writeBigUInt64LE(41n);
  helper.preset(COUNTERS, before);
  await live(helper, LIBRARIES.full, { countersOffset: COUNTERS });
  helper.process.kill('SIGKILL');
  await helper.ended;
  t.match(counted(helper), { InitEx: [42, 0], ReadAsync: [2, 5120] });
});

t.test('time is that of the call', async (t) => {
  const helper = new Driver(t, { env: { FAKE_AT: 'Open:slow:200' } });
  await helper.open([LIBRARIES.full], { countersOffset: COUNTERS });
  const open = readCallCounts(helper.read(COUNTERS, 4096)).find(({ name }) => name === 'Open');
  t.ok((open?.us ?? 0n) >= 200_000n, `${open?.us} us`);
});

t.test('without being asked nothing is counted or told', async (t) => {
  const helper = new Driver(t);
  await live(helper, LIBRARIES.full, {});
  await end(helper);
  t.ok(helper.read(4096 * 2, ARENA_BYTES - 4096 * 2).every((byte) => byte === 0));
  t.notOk(helper.logs.some(({ level }) => level === 'trace'));
});

t.test('telling of calls', async (t) => {
  const told = async (trace: number): Promise<string[]> => {
    const helper = new Driver(t);
    await live(helper, LIBRARIES.full, { trace });
    await end(helper);
    return helper.logs.filter(({ level }) => level === 'trace').map(({ text }) => text);
  };
  const calls = await told(TRACE.CALLS);
  for (const name of ['InitEx', 'ConnectEx', 'Open', 'Close', 'Disconnect', 'Exit'])
    t.ok(calls.includes(`VixDiskLib_${name}`), name);
  t.notOk(calls.some((text) => /Async|Flush|Wait/.test(text)));
  const io = await told(TRACE.IO);
  t.ok(io.includes('VixDiskLib_WriteAsync: 4 sectors at sector 8'));
  t.ok(io.includes('VixDiskLib_ReadAsync: 2 sectors at sector 8'));
  t.ok(io.includes('VixDiskLib_Flush') && io.includes('VixDiskLib_Open'));
});

t.test('a place that is none', async (t) => {
  for (const countersOffset of [4, ARENA_BYTES - 8, ARENA_BYTES + 8]) {
    const { vixError, fields } = await new Driver(t).hello(undefined, { countersOffset });
    t.equal(vixError, 1);
    t.match(fields, { helperError: 'parameter', text: /countersOffset is outside/ });
  }
  t.match((await new Driver(t).hello(undefined, { trace: 3 })).fields, {
    helperError: 'parameter',
  });
});
