// How the journal is written again after replays that went wrong, and what is given up in the end.
import t from 'tap';
import { CONVICTION_DEATHS } from '../../src/base/limits.js';
import { Journal, type JournalEntry } from '../../src/supervisor/journal.js';
import { ReplayPolicy } from '../../src/supervisor/replay-policy.js';
import type { DeathFacts } from '../../src/supervisor/suspects.js';

const CRASH: Omit<DeathFacts, 'alone' | 'atSector'> = { controlled: true, hungMs: undefined };

function setUp(entries: number, nrSectors = 8) {
  const journal = new Journal(() => undefined);
  for (let n = 0; n < entries; n++) {
    const memory = nrSectors > 4096 ? undefined : { journalEntries: 0 };
    journal.add({ startSector: 10_000 * n, nrSectors, arenaOffset: 0, memory, epoch: 1 });
  }
  const policy = new ReplayPolicy(journal);
  const first = (): JournalEntry => journal.entries[0]!;
  const die = (op: 'write' | 'flush', times: number, facts = CRASH) => {
    const verdicts = [];
    for (let i = 0; i < times; i++) verdicts.push(policy.died({ op, entry: first() }, facts));
    return verdicts.filter((verdict) => verdict !== undefined);
  };
  return { journal, policy, first, die };
}

t.test('chunks halve at each death, down to one entry; all at once when it is done', (t) => {
  const { policy, die } = setUp(20);
  t.equal(policy.chunkEntries, Infinity);
  const sizes = [];
  for (let i = 0; i < 5; i++) {
    die('write', 1);
    sizes.push(policy.chunkEntries);
  }
  t.same(sizes, [10, 5, 2, 1, 1]);
  policy.done();
  t.equal(policy.chunkEntries, Infinity);
  t.end();
});

t.test('nothing is blamed while there was more than one entry in the helper', (t) => {
  const { policy, die } = setUp(1024);
  t.same(die('write', 10), []);
  t.equal(policy.chunkEntries, 1);
  t.notOk(policy.needsControl);
  t.end();
});

t.test('an entry that kills alone is lost after four deaths, which want control reads', (t) => {
  const { policy, first, die } = setUp(1);
  die('write', 1);
  t.same(die('write', 1), []);
  t.ok(policy.needsControl);
  t.equal(policy.suspect, first(), 'control reads stay away from it');
  t.same(die('write', 100, { ...CRASH, controlled: false }), [], 'unproven deaths');
  t.same(die('write', CONVICTION_DEATHS - 1), [{ lost: first() }]);
  t.notOk(policy.needsControl);
  t.end();
});

t.test('a hang in a replay counts when a read elsewhere has worked', (t) => {
  const { policy, first, die } = setUp(1);
  die('write', 1);
  for (let i = 0; i < CONVICTION_DEATHS - 1; i++) {
    t.same(die('write', 1, { ...CRASH, hungMs: 1000 }), []);
    t.same(policy.controlled(1), undefined);
  }
  die('write', 1, { ...CRASH, hungMs: 1000 });
  t.same(policy.controlled(1), { lost: first() });
  t.end();
});

t.test('zeroes, which may be of several writes, are halved down to a sector, then blamed', (t) => {
  const { journal, die } = setUp(1, 8192);
  const sizes = (): number[] => journal.entries.map(({ nrSectors }) => nrSectors);
  die('write', 1);
  t.same(die('write', 2), []);
  t.same(sizes(), [2048, 2048, 4096], 'no sector more or less than before');
  t.match(journal.entries, [{ startSector: 0 }, { startSector: 2048 }, { startSector: 4096 }]);
  t.same(die('write', 11), []);
  t.same(sizes().slice(0, 3), [1, 1, 2]);
  t.same(die('write', CONVICTION_DEATHS - 1), []);
  t.match(die('write', 1), [{ lost: { startSector: 0, nrSectors: 1 } }]);
  t.end();
});

t.test('an entry that died in its second part is halved, down to one part, not blamed', (t) => {
  const { journal, policy, first } = setUp(1, 64);
  const [{ memory }] = journal.entries as [JournalEntry];
  policy.died({ op: 'write', entry: first() }, CRASH);
  t.equal(policy.chunkEntries, 1);
  for (let n = 0; n < CONVICTION_DEATHS - 1; n++) {
    policy.died({ op: 'write', entry: first() }, CRASH, 0);
  }
  t.equal(policy.died({ op: 'write', entry: first() }, CRASH, 8), undefined);
  t.match(journal.entries, [
    { startSector: 0, nrSectors: 32, arenaOffset: 0, memory },
    { startSector: 32, nrSectors: 32, arenaOffset: 32 * 512, memory },
  ]);
  t.equal(first().suspicion, undefined, 'what the whole was suspected of is forgotten');
  journal.remove(first());
  t.ok(journal.holds(memory!), 'the other half needs its bytes');
  t.equal(journal.bytes, 32 * 512);
  journal.remove(first());
  t.notOk(journal.holds(memory!));
  t.end();
});

t.test('a flush that kills after each single entry is bad; one that works clears it', (t) => {
  const { policy, die } = setUp(1);
  die('flush', 1);
  t.same(die('flush', CONVICTION_DEATHS - 1), []);
  policy.flushed();
  t.notOk(policy.needsControl);
  t.same(die('flush', CONVICTION_DEATHS - 1), []);
  t.same(die('flush', 1), [{ badFlush: true }]);
  t.end();
});

t.test('after a flush that failed one replay goes without, the next has flushes again', (t) => {
  const { policy } = setUp(1);
  t.ok(policy.takeFlushes());
  policy.flushFailed();
  t.notOk(policy.takeFlushes());
  t.ok(policy.takeFlushes());
  t.end();
});

t.test('only what was refused alone, and to the last, is lost when time is over', (t) => {
  const { policy, first } = setUp(8);
  const refuse = (): void => {
    policy.refused({ op: 'write', entry: first() });
  };
  while (policy.chunkEntries > 1) {
    refuse();
    t.equal(policy.gaveUp(), undefined, 'it was not alone');
  }
  refuse();
  t.equal(policy.gaveUp(), first());
  t.equal(policy.gaveUp(), undefined, 'once');
  for (const [what, happens] of Object.entries({
    'the session was lost': () => {
      policy.refused(undefined);
    },
    'a flush has worked': () => {
      policy.flushed();
    },
    'everything was written': () => {
      policy.done();
    },
    'the helper died': () => {
      policy.died(undefined, CRASH);
    },
  })) {
    while (policy.chunkEntries > 1) refuse();
    refuse();
    happens();
    t.equal(policy.gaveUp(), undefined, what);
  }
  t.end();
});

t.test('a death before the replay had begun blames nothing', (t) => {
  const { policy } = setUp(4);
  t.equal(policy.died(undefined, CRASH), undefined);
  t.equal(policy.chunkEntries, Infinity);
  t.end();
});
