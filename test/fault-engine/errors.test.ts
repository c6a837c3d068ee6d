// Errors instead of results: for a while, until the session is another, for want of memory.
import path from 'node:path';
import t from 'tap';
import type { IoRequest } from '../helper-c/driver.js';
import {
  closeHelper,
  directory,
  ENGINE,
  newHelper,
  newImage,
  openHelper,
  openImage,
  readState,
} from './engine.js';

const READ: IoRequest = ['READ', 1, 1, 0];
const WRITE: IoRequest = ['WRITE', 1, 1, 0];
const FLUSH: IoRequest = ['FLUSH', 0, 0, 0];

t.test('an error at each call', async (t) => {
  for (const [place, op] of [
    ['InitEx', 'HELLO'],
    ['ConnectEx', 'CONNECT'],
    ['Open', 'OPEN'],
    ['GetInfo', 'INFO'],
    ['QueryAllocatedBlocks', 'ALLOCATED_BLOCKS'],
    ['Close', 'CLOSE'],
  ] as const) {
    const helper = newHelper(t, `error=14009 at=${place}`);
    const image = newImage(t);
    const results = [
      await helper.hello([ENGINE]),
      await helper.call('CONNECT', { readOnly: false }),
      await helper.call('OPEN', { path: image, flags: 0 }),
      await helper.call('INFO'),
      await helper.call('ALLOCATED_BLOCKS', {
        startSector: 0,
        nrSectors: 128,
        chunkSectors: 128,
      }),
      await helper.call('CLOSE'),
    ];
    const failed = results.find(({ vixError }) => vixError !== 0)!;
    t.equal(failed.vixError, 14_009, op);
    t.equal(failed.fields['call'], `VixDiskLib_${place}`);
  }
});

t.test('an error by the submission, by the callback, by Wait and Flush', async (t) => {
  for (const [place, expected] of [
    ['ReadAsync', [7, 0, 0]],
    ['ReadCallback', [7, 0, 0]],
    ['WriteAsync', [0, 7, 0]],
    ['WriteCallback', [0, 7, 0]],
    ['Flush', [0, 0, 7]],
    ['Wait', [0, 0, 7]],
    ['ReadAsync,Flush', [7, 0, 7]],
  ] as const) {
    const helper = await openHelper(t, newImage(t), `error=7 at=${place}`);
    t.same(await helper.io(READ, WRITE, FLUSH), expected, place);
  }
});

t.test('once, n times, with high bits, and who comes first', async (t) => {
  const FAULT_STATE = path.join(directory(t), 'state');
  const helper = await openHelper(
    t,
    newImage(t),
    ['error=16007 at=WriteAsync times=3', 'error=281474976710692 at=ReadAsync once'],
    { FAULT_STATE },
  );
  t.same(
    await helper.io(WRITE, WRITE, READ, WRITE, WRITE, READ),
    [16_007, 16_007, 281_474_976_710_692, 16_007, 0, 0],
  );
  t.equal(readState(FAULT_STATE).errors, 4);
  await closeHelper(t, helper);
  const next = await openHelper(t, newImage(t), 'error=16007 at=WriteAsync times=3', {
    FAULT_STATE,
  });
  t.same(await next.io(WRITE), [0], 'three were all, over restarts');
  const both = await openHelper(t, newImage(t), 'error=1; error=2');
  t.same(await both.io(READ), [1], 'the first rule counts');
});

t.test('until reopen', async (t) => {
  const helper = await openHelper(t, newImage(t), 'error=36 nth=3 until=reopen');
  const image = newImage(t);
  t.same(await helper.io(READ, WRITE, READ, WRITE, FLUSH, READ), [0, 0, 36, 36, 36, 36]);
  await helper.call('CLOSE');
  await helper.call('CONNECT', { readOnly: false });
  t.equal((await helper.call('OPEN', { path: image, flags: 0 })).vixError, 0);
  t.same(await helper.io(READ, WRITE, FLUSH, READ), [0, 0, 0, 0], 'nth was long ago');
});

t.test('a lost session', async (t) => {
  const helper = newHelper(t, 'session-lost after=2');
  const image = newImage(t);
  await openImage(helper, image);
  t.same(await helper.io(READ, WRITE, READ), [0, 0, 36]);
  t.same(await helper.io(READ, WRITE, FLUSH), [36, 36, 36]);
  t.equal((await helper.call('INFO')).vixError, 36);
  t.equal(
    (
      await helper.call('ALLOCATED_BLOCKS', {
        startSector: 0,
        nrSectors: 128,
        chunkSectors: 128,
      })
    ).vixError,
    36,
  );
  t.equal((await helper.call('CLOSE')).vixError, 36, 'even Close, which closes');
  await helper.call('CONNECT', { readOnly: false });
  t.equal((await helper.call('OPEN', { path: image, flags: 0 })).vixError, 0);
  t.same(await helper.io(READ, WRITE, READ), [0, 0, 36], 'and again');
  const other = await openHelper(t, newImage(t), 'session-lost=14011 once');
  t.same(await other.io(READ), [14_011], 'another code');
});

t.test('what is in flight when the session is lost fails too', async (t) => {
  const helper = await openHelper(t, newImage(t), ['delay=50ms', 'session-lost after=2']);
  t.same(await helper.io(READ, WRITE, READ), [36, 36, 36]);
});

t.test('no memory for so many requests', async (t) => {
  for (const by of ['submit', 'callback']) {
    const helper = await openHelper(t, newImage(t), [`nomem requests=8 by=${by}`, 'delay=100ms']);
    const answers = await helper.io(...Array.from({ length: 12 }, (): IoRequest => READ));
    t.equal(answers.filter((error) => error === 0).length, 8, by);
    t.equal(answers.filter((error) => error === 2).length, 4);
    await helper.logged(
      /^\[NFC ERROR\] NfcFssrvrProcessErrorMsg: received NFC error 5 .*requested 512 bytes$/,
    );
    t.same(await helper.io(READ), [0], 'later there is room again');
  }
});

t.test('no memory for so many bytes', async (t) => {
  const helper = await openHelper(t, newImage(t), ['nomem bytes=1M', 'delay=100ms']);
  t.same(
    await helper.io(
      ['READ', 0, 1024, 0],
      ['WRITE', 0, 1024, 0],
      ['READ', 0, 1, 0],
      ['READ', 0, 2049, 0],
    ),
    [0, 0, 2, 2],
  );
  t.same(await helper.io(['READ', 0, 2048, 0]), [0]);
  t.same(await helper.io(['READ', 0, 2049, 0]), [2], 'never');
});
