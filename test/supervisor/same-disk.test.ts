// Which disk may take the place of the one that was served.
import t from 'tap';
import { AnotherDisk, checkSameDisk } from '../../src/supervisor/same-disk.js';

const INFO = {
  capacitySectors: 2048,
  logicalSectorBytes: 512,
  physicalSectorBytes: 4096,
  adapterType: 2,
  numLinks: 1,
  uuid: 'aa' as string | undefined,
  parentFileNameHint: undefined,
};
const FIRST = { info: INFO, file: '1:2' };

t.test('the same or a larger one', (t) => {
  checkSameDisk(FIRST, { info: { ...INFO }, file: '1:2' });
  checkSameDisk(FIRST, { info: { ...INFO, capacitySectors: 2049 }, file: '1:2' });
  t.end();
});

for (const [what, now, words] of [
  ['smaller', { ...FIRST, info: { ...INFO, capacitySectors: 2047 } }, /1048064 .*, it had 1048576/],
  ['of another uuid', { ...FIRST, info: { ...INFO, uuid: 'bb' } }, /uuid bb/],
  ['without its uuid', { ...FIRST, info: { ...INFO, uuid: undefined } }, /uuid none/],
  ['another file', { ...FIRST, file: '1:3' }, /another file/],
] as const) {
  t.test(`not one that is ${what}`, (t) => {
    t.throws(() => {
      checkSameDisk(FIRST, now);
    }, words);
    t.throws(() => {
      checkSameDisk(FIRST, now);
    }, AnotherDisk);
    t.end();
  });
}
