// The index of the read cache against a plain list.
import fc from 'fast-check';
import t from 'tap';
import { CacheIndex, type Indexed } from '../../src/disk/cache-index.js';

const range = fc.record({ start: fc.nat(3000), length: fc.integer({ min: 1, max: 1000 }) });

t.test('it finds what a list finds', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ at: range, removes: fc.boolean(), pick: fc.nat() })),
      range,
      (steps, asked) => {
        const index = new CacheIndex<Indexed>();
        const list: Indexed[] = [];
        for (const { at, removes, pick } of steps) {
          const old = list[pick % (list.length || 1)];
          if (removes && old) {
            index.remove(old);
            list.splice(list.indexOf(old), 1);
          } else {
            const added = { startSector: at.start, endSector: at.start + at.length };
            index.add(added);
            list.push(added);
          }
        }
        const end = asked.start + asked.length;
        t.equal(index.count, list.length);
        const overlapping = list.filter((r) => r.startSector < end && asked.start < r.endSector);
        t.same(new Set(overlapping), index.overlapping(asked.start, end));
        t.same(index.all().size, list.length);
        const holding = list.filter(
          (r) => r.startSector <= asked.start && asked.start < r.endSector,
        );
        const furthest = Math.max(...holding.map(({ endSector }) => endSector));
        const found = index.at(asked.start);
        t.equal(found?.endSector, holding.length === 0 ? undefined : furthest);
        t.ok(found === undefined || holding.includes(found));
      },
    ),
  );
  t.end();
});
