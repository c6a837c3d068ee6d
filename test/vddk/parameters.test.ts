// key=value arguments: nbdkit's names and rules, and what is refused with which help.
import fc from 'fast-check';
import t from 'tap';
import { VddkNbdError } from '../../src/base/errors.js';
import { editDistance, nearest, parseParameters } from '../../src/vddk/parameters.js';

function refusal(argv: string[]): string {
  try {
    parseParameters(argv);
  } catch (error) {
    if (error instanceof VddkNbdError)
      return `${error.code}: ${error.message}. ${error.hint ?? ''}`;
  }
  return 'accepted';
}

t.test('the file, by name and bare', (t) => {
  const expected = { file: '/vm/a.vmdk', libdir: undefined, engine: 'auto' };
  t.same(parseParameters(['file=/vm/a.vmdk']), expected);
  t.same(parseParameters(['/vm/a.vmdk']), expected);
  t.same(parseParameters(['/vm/a=b.vmdk']).file, '/vm/a=b.vmdk', 'a path may hold a =');
  t.same(parseParameters(['file=[ds] vm/a=b.vmdk']).file, '[ds] vm/a=b.vmdk');
  t.same(parseParameters(['/a.vmdk', 'engine=builtin']).engine, 'builtin');
  t.same(parseParameters(['libdir=/opt/vddk', 'file=/a.vmdk']).libdir, '/opt/vddk');
  t.end();
});

t.test('what is refused, and the help that goes with it', (t) => {
  t.match(refusal([]), /^USAGE: no disk is given\. .*file=/);
  t.match(refusal(['engine=vddk']), /no disk is given/);
  t.match(refusal(['fiel=/a.vmdk']), /unknown parameter 'fiel'\. Did you mean file=\?/);
  t.match(refusal(['/a', 'libdri=/x']), /unknown parameter 'libdri'\. Did you mean libdir=\?/);
  t.match(refusal(['/a', 'enigne=vddk']), /Did you mean engine=\?/);
  t.match(refusal(['/a', '/b']), /'\/b' is not a parameter/);
  t.match(refusal(['/a', 'file=/b']), /file= is given twice/);
  t.match(refusal(['file=']), /file= is empty/);
  t.match(refusal(['/a', 'engine=fast']), /unknown engine 'fast'\. Use engine=auto, /);
  t.end();
});

t.test('edit distance: a metric, and known values', (t) => {
  t.equal(editDistance('kitten', 'sitting'), 3);
  t.equal(editDistance('', 'abc'), 3);
  t.equal(nearest('lbdir', ['engine', 'file', 'libdir']), 'libdir');
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
