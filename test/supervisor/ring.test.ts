// The journal over a library without Flush: nothing can be called safe, so it forgets its oldest.
import t from 'tap';
import { JOURNAL_ENTRIES_MAX, SECTOR_BYTES } from '../../src/base/limits.js';
import { IO_OPS } from '../../src/helper/protocol.js';
import { JOURNAL_BYTES_MAX, setUpSupervisor, TestIo } from '../lib/sim-supervisor.js';

const NO_FLUSH = { isVolatile: true, plan: () => ({ functions: [] }) };

async function setUpRing() {
  const set = setUpSupervisor(NO_FLUSH);
  await set.supervisor.open();
  /** A write that is answered; without bytes it is one of zeroes. */
  const write = (startSector: number, nrSectors: number, bytes: boolean): TestIo => {
    const io = new TestIo(startSector, IO_OPS.WRITE, nrSectors);
    if (!bytes) io.memory = undefined;
    set.supervisor.io(io);
    set.last().answer();
    return io;
  };
  const forgetting = (): number =>
    set.lines.filter((line) => line.includes("this library can't flush")).length;
  return { ...set, write, forgetting };
}

t.test('in records: no writer waits, the newest half is kept, it is said once', async (t) => {
  const { supervisor, journal, write, forgetting } = await setUpRing();
  const entriesMax = JOURNAL_ENTRIES_MAX / 2;
  for (let n = 0; n < entriesMax; n++) write(2 * n, 1, false);
  t.equal(journal.entries.length, entriesMax);
  t.equal(forgetting(), 0);
  t.same(write(2 * entriesMax, 1, false).results, [0]);
  t.equal(journal.entries.length, entriesMax);
  t.equal(journal.entries[0]?.startSector, 2, 'the oldest is forgotten');
  t.equal(journal.entries.at(-1)?.startSector, 2 * entriesMax);
  write(2 * entriesMax + 2, 1, false);
  t.equal(journal.entries.length, entriesMax);
  t.equal(forgetting(), 1);
  await supervisor.close();
});

t.test('in bytes: half of what it may hold', async (t) => {
  const { supervisor, journal, write, forgetting } = await setUpRing();
  const quarterSectors = JOURNAL_BYTES_MAX / 4 / SECTOR_BYTES;
  write(0, quarterSectors, true);
  write(quarterSectors, quarterSectors, true);
  t.equal(journal.bytes, JOURNAL_BYTES_MAX / 2);
  t.equal(forgetting(), 0);
  t.same(write(2 * quarterSectors, quarterSectors, true).results, [0]);
  t.equal(journal.bytes, JOURNAL_BYTES_MAX / 2);
  t.equal(journal.entries[0]?.startSector, quarterSectors);
  t.equal(forgetting(), 1);
  await supervisor.close();
});

t.test('after a death what it remembers is written again, in order', async (t) => {
  const { supervisor, clock, helpers, last, write } = await setUpRing();
  write(8, 1, true);
  write(0, 1, true);
  helpers[0]?.die('was killed by SIGSEGV');
  await clock.pass(1000);
  while (last().inFlight.length > 0) last().answer();
  const replayed = last().seen.map(({ startSector }) => startSector);
  t.same(replayed, [8, 0]);
  t.notOk(last().seen.some(({ op }) => op === IO_OPS.FLUSH));
  await supervisor.close();
});
