// Where a control read looks.
import fc from 'fast-check';
import t from 'tap';
import { pickControlSector } from '../../src/supervisor/control-sector.js';

t.test('where something worked lately, unless that is suspect', (t) => {
  t.equal(
    pickControlSector(77, 1000, [], () => 0.5),
    77,
  );
  t.equal(
    pickControlSector(undefined, 1000, [], () => 0.5),
    500,
  );
  t.equal(
    pickControlSector(77, 1000, [{ startSector: 70, nrSectors: 8 }], () => 0.5),
    500,
  );
  t.end();
});

t.test('inside the disk, and away from all suspects where there is room', (t) => {
  const sector = fc.nat(99);
  const avoided = fc.array(
    fc.record({ startSector: sector, nrSectors: fc.integer({ min: 1, max: 4 }) }),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(fc.option(sector, { nil: undefined }), avoided, sector, (good, suspects, seed) => {
      // Walks over the disk, a third of it at each step: no three steps end in 24 sectors.
      let at = seed / 100;
      const random = (): number => (at = (at + 0.34) % 1);
      const picked = pickControlSector(good, 100, suspects, random);
      return (
        Number.isInteger(picked) &&
        picked >= 0 &&
        picked < 100 &&
        !suspects.some((s) => s.startSector <= picked && picked < s.startSector + s.nrSectors)
      );
    }),
  );
  t.end();
});

t.test('a disk that is suspect as a whole is read all the same, and it ends', (t) => {
  const whole = [{ startSector: 0, nrSectors: 10 }];
  const picked = pickControlSector(undefined, 10, whole, () => 0.99);
  t.equal(picked, 9);
  t.end();
});
