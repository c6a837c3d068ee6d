// The table of requests against a Map: every request is found by its id, once, in order of add().
import t from 'tap';
import fc from 'fast-check';
import type { HelperIo } from '../../src/helper/helper.js';
import { Ids, InFlight } from '../../src/helper/in-flight.js';

const io = (): HelperIo => ({
  op: 16,
  startSector: 0,
  nrSectors: 1,
  arenaOffset: 0,
  done: () => undefined,
});

t.test('ids are shared, and never used twice', async (t) => {
  const ids = new Ids(2 ** 32 - 2);
  const [one, two] = [new InFlight(ids), new InFlight(ids)];
  const seen = [1, 2, 3, 4, 5, 6].map((turn) => (turn % 2 ? one : two).add(io()));
  t.equal(new Set(seen).size, 6);
  t.equal(two.take(seen[0]!), undefined);
  t.equal(one.take(seen[0]! + 256), undefined, 'the same place is not the same id');
  t.ok(one.take(seen[0]!));
  t.equal(one.take(seen[0]!), undefined, 'once');
  t.ok(Math.max(...seen) > 2 ** 32);
});

t.test('an old request is stepped over', async (t) => {
  const table = new InFlight(new Ids());
  const old = table.add(io());
  const ids = new Set<number>();
  for (let turn = 0; turn < 2000; turn++) {
    const id = table.add(io());
    ids.add(id);
    t.ok(table.take(id));
  }
  t.equal(ids.size, 2000);
  t.notOk(
    [...ids].some((id) => id % 256 === old),
    'its place was never taken',
  );
  t.ok(table.take(old));
});

t.test('random histories', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constant(-1), fc.nat(2000)), { maxLength: 3000 }),
      fc.constantFrom(1, 2 ** 31 - 700, 2 ** 32 - 700, 2 ** 40),
      (steps, first) => {
        const table = new InFlight(new Ids(first));
        const model = new Map<number, HelperIo>();
        for (const step of steps) {
          if (step === -1 || model.size === 0) {
            const one = io();
            model.set(table.add(one), one);
          } else {
            const id = [...model.keys()][step % model.size]!;
            if (table.take(id) !== model.get(id)) return false;
            model.delete(id);
          }
        }
        const left = table.takeAll();
        const same = left.every((one, index) => one === [...model.values()][index]);
        return same && left.length === model.size && table.takeAll().length === 0;
      },
    ),
    { numRuns: 50 },
  );
});
