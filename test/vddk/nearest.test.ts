// The guess at what a mistyped name was meant to be.
import fc from 'fast-check';
import t from 'tap';
import { editDistance, nearest } from '../../src/vddk/nearest.js';

t.test('edit distance: a metric, and known values', (t) => {
  t.equal(editDistance('kitten', 'sitting'), 3);
  t.equal(editDistance('', 'abc'), 3);
  t.equal(nearest('lbdir', ['engine', 'file', 'libdir']), 'libdir');
  t.equal(nearest('LBDIR', ['engine', 'file', 'libdir']), 'libdir', 'in any case');
  const word = fc.string({ maxLength: 8 });
  fc.assert(
    fc.property(word, word, word, (a, b, c) => {
      const ab = editDistance(a, b);
      return (
        ab === editDistance(b, a) &&
        (ab === 0) === (a === b) &&
        ab <= editDistance(a, c) + editDistance(c, b)
      );
    }),
  );
  t.end();
});
