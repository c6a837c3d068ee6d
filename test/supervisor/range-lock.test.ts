// Order: overlapping requests of which one writes never run together, and arrival order holds.
import fc from 'fast-check';
import t from 'tap';
import { LockedRange, RangeLock } from '../../src/supervisor/range-lock.js';

class TestRange extends LockedRange {
  held = false;
  readonly name: number;

  constructor(name: number, startSector: number, nrSectors: number, exclusive: boolean) {
    super();
    this.name = name;
    this.startSector = startSector;
    this.endSector = startSector + nrSectors;
    this.exclusive = exclusive;
  }

  locked(): void {
    this.held = true;
  }
}

function conflict(a: LockedRange, b: LockedRange): boolean {
  return (a.exclusive || b.exclusive) && a.startSector < b.endSector && b.startSector < a.endSector;
}

t.test('readers share, a writer waits for them and is waited for', (t) => {
  const lock = new RangeLock();
  const [read1, read2] = [new TestRange(1, 0, 10, false), new TestRange(2, 5, 10, false)];
  const write = new TestRange(3, 9, 1, true);
  const read3 = new TestRange(4, 9, 1, false);
  const elsewhere = new TestRange(5, 10_000, 1, true);
  t.ok(lock.acquire(read1));
  t.ok(lock.acquire(read2));
  t.notOk(lock.acquire(write));
  t.notOk(lock.acquire(read3), 'a later reader does not overtake a waiting writer');
  t.ok(lock.acquire(elsewhere));
  lock.release(read1);
  t.notOk(write.held);
  lock.release(read2);
  t.ok(write.held);
  t.notOk(read3.held);
  lock.release(write);
  t.ok(read3.held);
  lock.release(read3);
  lock.release(elsewhere);
  t.ok(lock.idle);
  t.end();
});

t.test('a range that touches another does not overlap it', (t) => {
  const lock = new RangeLock();
  t.ok(lock.acquire(new TestRange(1, 0, 8, true)));
  t.ok(lock.acquire(new TestRange(2, 8, 8, true)));
  t.end();
});

t.test('any schedule: no conflict is held together, arrival order, nobody starves', (t) => {
  const ranges = fc.array(
    fc.record({
      start: fc.nat(40),
      length: fc.integer({ min: 1, max: 12 }),
      exclusive: fc.boolean(),
      releases: fc.nat(3),
      pick: fc.nat(),
    }),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(
    fc.property(ranges, (steps) => {
      const lock = new RangeLock();
      const alive: TestRange[] = [];
      const check = (): void => {
        for (const a of alive) {
          for (const b of alive) {
            if (a.name >= b.name || !conflict(a, b)) continue;
            if (a.held && b.held) throw new Error('two conflicting ranges are held');
            if (b.held) throw new Error('a later range overtook an earlier one');
          }
        }
        const free = alive.filter((b) => !alive.some((a) => a.name < b.name && conflict(a, b)));
        if (!free.every((range) => range.held)) throw new Error('nothing is in the way of it');
      };
      const releaseOne = (pick: number): boolean => {
        const held = alive.filter((range) => range.held);
        const range = held[pick % Math.max(held.length, 1)];
        if (!range) return false;
        alive.splice(alive.indexOf(range), 1);
        lock.release(range);
        check();
        return true;
      };
      steps.forEach((step, name) => {
        const range = new TestRange(name, step.start, step.length, step.exclusive);
        alive.push(range);
        if (lock.acquire(range)) range.held = true;
        check();
        for (let i = 0; i < step.releases; i++) releaseOne(step.pick + i);
      });
      while (alive.length > 0) {
        if (!releaseOne(0)) throw new Error('nothing is held, but ranges wait');
      }
      return lock.idle;
    }),
    { numRuns: 500 },
  );
  t.end();
});

t.test('many that are all in the way of each other take no memory by their square', (t) => {
  const lock = new RangeLock();
  const ranges = Array.from({ length: 5_000 }, (_, name) => new TestRange(name, 0, 8, true));
  const held = ranges.filter((range) => lock.acquire(range));
  t.equal(held.length, 1);
  const waiting = ranges.reduce((sum, { dependents }) => sum + dependents.length, 0);
  t.equal(waiting, ranges.length - 1);
  for (const [index, range] of ranges.entries()) {
    if (index > 0 && !range.held) t.fail(`range ${index} is not held in its turn`);
    lock.release(range);
  }
  t.ok(lock.idle);
  t.end();
});

t.test('who would rather not wait holds at once what nobody writes, or has not come', (t) => {
  const lock = new RangeLock();
  const [read, write] = [new TestRange(1, 0, 10, false), new TestRange(2, 5, 10, true)];
  t.ok(lock.tryAcquire(read), 'nothing is there');
  t.notOk(lock.acquire(write));
  t.notOk(lock.tryAcquire(new TestRange(3, 14, 1, false)), 'a writer waits');
  const behind = new TestRange(6, 9, 1, false);
  t.notOk(lock.acquire(behind));
  t.ok(lock.isWanted(read), 'by the writer, though the last reader is in its way too');
  t.notOk(lock.isWanted(behind));
  const beside = new TestRange(4, 15, 1, false);
  t.ok(lock.tryAcquire(beside));
  lock.release(read);
  t.ok(write.held);
  t.notOk(lock.tryAcquire(new TestRange(5, 14, 1, false)), 'a writer holds it');
  lock.release(write);
  lock.release(behind);
  lock.release(beside);
  t.ok(lock.idle);
  t.end();
});
