// --memory, --cache and --readahead.
import t from 'tap';
import { memorySizes } from '../../src/flags/memory.js';

const MIB = 1024 * 1024;

t.test('what they mean', (t) => {
  const on = { memoryBytes: 128 * MIB, cacheBytesMax: Infinity, readaheadBytesMax: 8 * MIB };
  t.same(memorySizes({}), on);
  t.same(memorySizes({ cache: 'on', readahead: 'on' }), on);
  t.match(memorySizes({ cache: 'off', readahead: 'off' }), {
    cacheBytesMax: 0,
    readaheadBytesMax: 0,
  });
  t.same(memorySizes({ memory: '1G', cache: '256M', readahead: '1M' }), {
    memoryBytes: 1024 * MIB,
    cacheBytesMax: 256 * MIB,
    readaheadBytesMax: MIB,
  });
  t.end();
});

t.test('what is refused', (t) => {
  t.throws(() => memorySizes({ cache: '33M' }), { code: 'USAGE', hint: /--memory 132 MiB/ });
  for (const readahead of ['1K', '9M']) {
    t.throws(() => memorySizes({ readahead }), { code: 'USAGE', hint: /256 KiB to 8 MiB/ });
  }
  t.throws(() => memorySizes({ readahead: 'of' }), { code: 'USAGE' });
  t.end();
});
