// Quarantine: who fails at once, who is tried alone, and what ends it.
import t from 'tap';
import { QUARANTINE_MS, QUARANTINE_RANGES_MAX } from '../../src/base/limits.js';
import { IO_OPS } from '../../src/helper/protocol.js';
import { Quarantine } from '../../src/supervisor/quarantine.js';
import { ManualClock } from '../lib/sim-helper.js';

const read = (startSector: number, nrSectors: number) => ({
  op: IO_OPS.READ,
  startSector,
  nrSectors,
});
const write = (startSector: number, nrSectors: number) => ({
  op: IO_OPS.WRITE,
  startSector,
  nrSectors,
});
const FLUSH = { op: IO_OPS.FLUSH, startSector: 0, nrSectors: 0 };

t.test('only a request that holds all of a convicted range fails at once', (t) => {
  const quarantine = new Quarantine(new ManualClock());
  t.ok(quarantine.isEmpty);
  quarantine.add(read(100, 8));
  t.notOk(quarantine.isEmpty);
  t.equal(quarantine.judge(read(100, 8)), 'bad');
  t.equal(quarantine.judge(read(0, 4096)), 'bad');
  t.equal(quarantine.judge(read(100, 7)), 'suspect', 'it may miss the bad sector');
  t.equal(quarantine.judge(read(107, 100)), 'suspect');
  t.equal(quarantine.judge(read(92, 8)), 'unknown', 'neighbours are innocent');
  t.equal(quarantine.judge(read(108, 8)), 'unknown');
  t.equal(quarantine.judge(write(100, 8)), 'unknown', 'and so are other operations');
  t.equal(quarantine.judge(FLUSH), 'unknown');
  t.end();
});

t.test('a smaller conviction takes the place of the larger one around it', (t) => {
  const quarantine = new Quarantine(new ManualClock());
  quarantine.add(read(0, 4096));
  quarantine.add(read(10, 1));
  t.equal(quarantine.judge(read(11, 4000)), 'unknown');
  t.equal(quarantine.judge(read(10, 1)), 'bad');
  t.end();
});

t.test('it lasts ten minutes', async (t) => {
  const clock = new ManualClock();
  const quarantine = new Quarantine(clock);
  quarantine.add(write(5, 1));
  await clock.pass(QUARANTINE_MS - 1);
  t.equal(quarantine.judge(write(5, 1)), 'bad');
  await clock.pass(1);
  t.equal(quarantine.judge(write(5, 1)), 'unknown');
  t.ok(quarantine.isEmpty);
});

t.test('or until the range is overwritten', (t) => {
  const quarantine = new Quarantine(new ManualClock());
  quarantine.add(read(100, 8));
  quarantine.succeeded(read(100, 8));
  quarantine.succeeded(FLUSH);
  quarantine.succeeded(write(0, 100));
  t.equal(quarantine.judge(read(100, 8)), 'bad', 'not by anything else');
  quarantine.succeeded(write(107, 1));
  t.equal(quarantine.judge(read(100, 8)), 'unknown', 'what was read then is not there any more');

  quarantine.add(write(100, 8));
  quarantine.succeeded(write(101, 7));
  t.equal(quarantine.judge(write(100, 8)), 'bad', 'the bad sector may be the one that is left');
  quarantine.succeeded(write(90, 18));
  t.equal(quarantine.judge(write(100, 8)), 'unknown');
  t.end();
});

t.test('all flushes are one', (t) => {
  const quarantine = new Quarantine(new ManualClock());
  quarantine.add(FLUSH);
  quarantine.succeeded(write(0, 8));
  t.equal(quarantine.judge(FLUSH), 'bad');
  t.equal(quarantine.judge(read(0, 8)), 'unknown');
  quarantine.succeeded(FLUSH);
  t.equal(quarantine.judge(FLUSH), 'unknown');
  t.end();
});

t.test('it is bounded: the oldest goes', (t) => {
  const quarantine = new Quarantine(new ManualClock());
  for (let i = 0; i <= QUARANTINE_RANGES_MAX; i++) quarantine.add(read(10 * i, 1));
  t.equal(quarantine.judge(read(0, 1)), 'unknown');
  t.equal(quarantine.judge(read(10, 1)), 'bad');
  t.equal(quarantine.judge(read(10 * QUARANTINE_RANGES_MAX, 1)), 'bad');
  t.end();
});
