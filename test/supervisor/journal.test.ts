// What a flush covers, and what it must not.
import t from 'tap';
import { Journal, type JournalMemory } from '../../src/supervisor/journal.js';

function setUp() {
  const freed: JournalMemory[] = [];
  const journal = new Journal((memory) => freed.push(memory));
  const slot = (name: string): JournalMemory & { name: string } => ({ name, journalEntries: 0 });
  type Memory = JournalMemory | undefined;
  const add = (startSector: number, epoch: number, memory: Memory, nrSectors = 8) => {
    journal.add({ startSector, nrSectors, arenaOffset: 0, memory, epoch });
  };
  const sectors = (): number[] => journal.entries.map(({ startSector }) => startSector);
  return { journal, freed, slot, add, sectors };
}

t.test('a flush covers what had succeeded when it was dispatched, in its own epoch', (t) => {
  const { journal, freed, slot, add, sectors } = setUp();
  const [old, own, late] = [slot('old'), slot('own'), slot('late')];
  add(0, 1, old);
  add(10, 2, own);
  const mark = journal.mark(2);
  add(20, 2, late);
  t.equal(journal.bytes, 3 * 4096);
  journal.covered(mark);
  t.same(sectors(), [0, 20], 'neither an earlier epoch nor a later success');
  t.same(freed, [own]);
  t.equal(journal.bytes, 2 * 4096);
  t.ok(journal.holds(old) && journal.holds(late) && !journal.holds(own));
  t.end();
});

t.test('memory that two entries share is freed with the second', (t) => {
  const { journal, freed, slot, add } = setUp();
  const edges = slot('edges');
  add(0, 1, edges, 1);
  const mark = journal.mark(1);
  add(9, 1, edges, 1);
  journal.covered(mark);
  t.same(freed, []);
  journal.covered(journal.mark(1));
  t.same(freed, [edges]);
  t.end();
});

t.test('adjacent zeroes become one entry, unless a flush stands between them', (t) => {
  const { journal, slot, add } = setUp();
  add(0, 1, undefined);
  add(8, 1, undefined);
  t.match(journal.entries, [{ startSector: 0, nrSectors: 16 }]);
  journal.mark(1);
  add(16, 1, undefined);
  t.equal(journal.entries.length, 2, 'the flush under way does not cover the new part');
  add(24, 2, undefined);
  t.equal(journal.entries.length, 3, 'nor does one epoch vouch for another');
  add(32, 2, slot('data'));
  add(40, 2, undefined);
  t.equal(journal.entries.length, 5, 'order of effect is kept');
  t.equal(journal.bytes, 4096, 'zeroes hold no memory');
  t.end();
});

t.test('zeroes in the place of an entry that was given up are newer than it', (t) => {
  const { journal, slot, add } = setUp();
  add(0, 1, undefined);
  add(8, 1, slot('given up'));
  const [, lost] = journal.entries;
  if (lost !== undefined) journal.remove(lost);
  const write = { startSector: 8, nrSectors: 8, arenaOffset: 0, memory: undefined, epoch: 1 };
  t.ok(journal.add(write) > (lost?.sequence ?? Infinity), 'or they could never cover what it lost');
  t.equal(journal.entries.length, 2);
  t.end();
});

t.test('a ring forgets its oldest, by bytes or by number', (t) => {
  const { journal, freed, slot, add, sectors } = setUp();
  const slots = [0, 1, 2, 3].map((n) => slot(String(n)));
  slots.forEach((memory, n) => {
    add(n * 10, 1, memory);
  });
  t.equal(journal.forgetOldest(4 * 4096, 4), 0);
  t.equal(journal.forgetOldest(3 * 4096, 9), 1);
  t.equal(journal.forgetOldest(9 * 4096, 1), 2);
  t.same(sectors(), [30]);
  t.same(freed, slots.slice(0, 3));
  t.end();
});
