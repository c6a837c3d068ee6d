// READ, WRITE and FLUSH of the real helper: data, errors, order, batches, barriers.
import t from 'tap';
import { ARENA_BYTES, Driver, LIBRARIES, type IoRequest } from './driver.js';

const COMPLETIONS = ['inline', 'late', 'shuffle'];

/** A recognisable sector. */
function sector(n: number): Buffer {
  return Buffer.alloc(512, `sector ${n} `);
}

for (const completion of COMPLETIONS) {
  const env = { FAKE_COMPLETION: completion };

  t.test(`data, ${completion}`, async (t) => {
    const helper = new Driver(t, { env });
    await helper.open();
    const writes: IoRequest[] = [];
    const reads: IoRequest[] = [];
    for (let i = 0; i < 64; i++) {
      helper.fill(i * 512, sector(i));
      writes.push(['WRITE', 1000 + 3 * i, 1, i * 512]);
      reads.push(['READ', 1000 + 3 * (63 - i), 1, i * 4096]);
    }
    t.ok((await helper.io(...writes)).every((error) => error === 0));
    t.ok((await helper.io(...reads)).every((error) => error === 0));
    for (let i = 0; i < 64; i++)
      if (!helper.read(i * 4096, 512).equals(sector(63 - i))) t.fail(`sector of slot ${i}`);
    t.equal(new Set(helper.done.map(({ id }) => id)).size, 128, 'each answered once');
    const largest = Buffer.alloc(4096 * 512, 'largest');
    helper.fill(ARENA_BYTES - largest.length, largest);
    t.same(await helper.io(['WRITE', 0, 4096, ARENA_BYTES - largest.length]), [0]);
    t.same(await helper.io(['READ', 0, 4096, ARENA_BYTES - largest.length]), [0]);
    t.ok(helper.read(ARENA_BYTES - largest.length, largest.length).equals(largest));
  });

  t.test(`FLUSH is a barrier, ${completion}`, async (t) => {
    const helper = new Driver(t, { env });
    await helper.open();
    const write = (n: number): IoRequest => ['WRITE', n * 8, 8, 0];
    const flush: IoRequest = ['FLUSH', 0, 0, 0];
    // The fake library ends the helper if Flush comes while I/O is pending.
    const before = helper.sendIo(...Array.from({ length: 50 }, (_, i) => write(i)), flush);
    const after = helper.sendIo(...Array.from({ length: 50 }, (_, i) => write(50 + i)), flush);
    await helper.answered([...before, ...after]);
    const order = helper.done.map(({ id }) => id);
    t.same(new Set(order.slice(0, 50)), new Set(before.slice(0, 50)));
    t.equal(order[50], before[50]);
    t.same(new Set(order.slice(51, 101)), new Set(after.slice(0, 50)));
    t.equal(order[101], after[50]);
    t.ok(helper.done.every(({ vixError }) => vixError === 0));
  });

  t.test(`ALLOCATED_BLOCKS and CLOSE are barriers, ${completion}`, async (t) => {
    const helper = new Driver(t, { env });
    await helper.open();
    const writes = Array.from({ length: 200 }, (_, i): IoRequest => ['WRITE', i * 8, 8, 0]);
    const ids = helper.sendIo(...writes);
    const query = { startSector: 0, nrSectors: 128, chunkSectors: 128 };
    t.equal((await helper.call('ALLOCATED_BLOCKS', query)).vixError, 0);
    t.equal(helper.done.length, 200, 'all before it are answered');
    ids.push(...helper.sendIo(...writes));
    t.equal((await helper.call('CLOSE')).vixError, 0);
    t.equal(helper.done.length, 400);
    t.same(new Set(helper.done.map(({ id }) => id)), new Set(ids));
  });

  t.test(`a failing request is told apart, ${completion}`, async (t) => {
    const helper = new Driver(t, { env: { ...env, FAKE_SECTOR: '100:fail:16002,200:refuse:13' } });
    await helper.open();
    const errors = await helper.io(
      ['READ', 96, 8, 0],
      ['READ', 104, 8, 4096],
      ['WRITE', 196, 8, 0],
      ['READ', 2 ** 40, 8, 8192],
    );
    t.same(errors, [16002, 0, 13, 16007]);
    t.ok(await helper.logged(/^VixDiskLib_ReadAsync: 8 sectors at sector 96: error 16002: fake /));
    t.ok(await helper.logged(/^VixDiskLib_WriteAsync: .* error 13: fake text of 13$/));
    t.equal(helper.logs.find(({ text }) => text.includes('16002'))?.level, 'helper');
    t.same(await helper.io(['READ', 0, 8, 0]), [0], 'and it goes on');
  });

  t.test(`many batches at once, ${completion}`, async (t) => {
    const helper = new Driver(t, { env });
    await helper.open();
    const batch = Array.from({ length: 1024 }, (_, i): IoRequest => ['READ', i, 1, i * 512]);
    const ids: number[] = [];
    for (let i = 0; i < 40; i++) ids.push(...helper.sendIo(...batch));
    await helper.answered(ids);
    t.equal(helper.done.length, 40 * 1024);
    t.equal(new Set(helper.done.map(({ id }) => id)).size, 40 * 1024);
    t.ok(helper.doneFrames < 40 * 1024, `${helper.doneFrames} frames`);
    t.ok(helper.done.every(({ vixError }) => vixError === 0));
  });
}

t.test('errors of a synchronous library', async (t) => {
  const helper = new Driver(t, { env: { FAKE_SECTOR: '100:fail:16002' } });
  await helper.open([LIBRARIES.sync5]);
  t.same(await helper.io(['READ', 96, 8, 0], ['WRITE', 104, 8, 0]), [16002, 0]);
  t.ok(await helper.logged(/^VixDiskLib_Read: 8 sectors at sector 96: error 16002/));
});

t.test('a flush that fails', async (t) => {
  for (const call of ['Wait', 'Flush']) {
    await t.test(call, async (t) => {
      const helper = new Driver(t, { env: { FAKE_AT: `${call}:fail:8` } });
      await helper.open();
      t.same(
        await helper.io(['WRITE', 0, 8, 0], ['FLUSH', 0, 0, 0], ['WRITE', 8, 8, 0]),
        [0, 8, 0],
      );
      t.ok(await helper.logged(RegExp(`^VixDiskLib_${call}: .* error 8: fake text of 8$`)));
      t.equal(
        helper.logs.some(({ text }) => text === 'fake: Flush'),
        call === 'Flush',
        'no Flush after a Wait that failed',
      );
    });
  }
});

t.test('answers of a batch come together, those of a slow one early', async (t) => {
  const helper = new Driver(t, { env: { FAKE_SECTOR: '5000:slow:300' } });
  await helper.open();
  await helper.io(...Array.from({ length: 32 }, (_, i): IoRequest => ['READ', i * 8, 8, 0]));
  // One, and a few more where the machine is so busy that the batch takes long.
  t.ok(helper.doneFrames <= 12, `${helper.doneFrames} frames for 32 answers`);
  const ids = helper.sendIo(['READ', 0, 8, 0], ['READ', 5000, 8, 0]);
  await helper.answered(ids.slice(0, 1));
  t.equal(helper.done.length, 33, 'what is ready does not wait for a call that takes long');
  await helper.answered(ids);
});

t.test('a host that does not read for a while loses nothing', async (t) => {
  const helper = new Driver(t, { env: { FAKE_COMPLETION: 'late' } });
  await helper.open();
  helper.pause();
  const batch = Array.from({ length: 1024 }, (_, i): IoRequest => ['READ', i, 1, i * 512]);
  const ids: number[] = [];
  // More than the helper has records for: it stops reading, and goes on later.
  for (let i = 0; i < 100; i++) ids.push(...helper.sendIo(...batch));
  await new Promise((resolve) => setTimeout(resolve, 500));
  helper.resume();
  await helper.answered(ids);
  t.equal(helper.done.length, ids.length);
  t.equal(new Set(helper.done.map(({ id }) => id)).size, ids.length);
  t.equal((await helper.call('CLOSE')).vixError, 0);
});
