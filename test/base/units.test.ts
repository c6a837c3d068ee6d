// Durations and sizes: what is written on a command line, and what must be refused.
import fc from 'fast-check';
import t from 'tap';
import { VddkNbdError } from '../../src/base/errors.js';
import { formatBytes, parseDurationMs, parseSizeBytes } from '../../src/base/units.js';

t.test('durations', (t) => {
  const cases: [string, number][] = [
    ['500ms', 500],
    ['2s', 2_000],
    ['2', 2_000],
    ['0', 0],
    ['1.5s', 1_500],
    ['10min', 600_000],
    ['10m', 600_000],
    ['1h', 3_600_000],
    ['576h', 2_073_600_000],
    [' 3 S ', 3_000],
  ];
  for (const [text, ms] of cases) t.equal(parseDurationMs(text), ms, text);
  for (const text of [
    '',
    'x',
    '-1',
    '1d',
    '1 2',
    '1e3',
    '0x10',
    '1.',
    's',
    '577h',
    '9'.repeat(30),
  ]) {
    t.throws(() => parseDurationMs(text), VddkNbdError, text);
  }
  t.end();
});

t.test('sizes', (t) => {
  const cases: [string, number][] = [
    ['65536', 65536],
    ['128M', 134217728],
    ['128m', 134217728],
    ['128MiB', 134217728],
    ['128 MB', 134217728],
    ['1G', 1073741824],
    ['0.5K', 512],
    ['1T', 1099511627776],
    ['7b', 7],
  ];
  for (const [text, bytes] of cases) t.equal(parseSizeBytes(text), bytes, text);
  for (const text of ['', 'M', '-1', '0.3K', '1X', '1Mi', '1KM', '999999999T']) {
    t.throws(() => parseSizeBytes(text), VddkNbdError, text);
  }
  t.end();
});

t.test('a formatted size that is whole in its unit is read back as it was', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1023 }), fc.integer({ min: 0, max: 4 }), (n, power) => {
      const bytes = n * 1024 ** power;
      const text = formatBytes(bytes).replace(' bytes', '');
      return parseSizeBytes(text) === bytes;
    }),
  );
  t.equal(formatBytes(1536), '1.5 KiB');
  t.equal(formatBytes(0), '0 bytes');
  t.end();
});
