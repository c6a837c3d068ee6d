// The table of -D vddk.stats=1, and the lines of -D vddk.extents=1.
import t from 'tap';
import { readCallCounts } from '../../src/helper/call-counts.js';
import { extentLines } from '../../src/program/disk-observer.js';
import { LibraryStats } from '../../src/program/library-stats.js';

t.test('sums over disks', (t) => {
  const stats = new LibraryStats();
  stats.add([
    { name: 'Open', calls: 1n, bytes: 0n, us: 7n },
    { name: 'ReadAsync', calls: 2n, bytes: 1024n, us: 20n },
  ]);
  stats.add([{ name: 'ReadAsync', calls: 3n, bytes: 2n ** 40n, us: 1n }]);
  t.same(stats.lines(), [
    'VDDK function stats (-D vddk.stats=1):',
    'VixDiskLib_...                        us calls           bytes',
    'ReadAsync                             21     5   1099511628800',
    'Open                                   7     1',
  ]);
  t.end();
});

t.test('what a library has scribbled is shown, not believed', (t) => {
  const counts = readCallCounts(Buffer.alloc(4096, 0xff));
  const stats = new LibraryStats();
  stats.add(counts);
  stats.add(counts);
  t.equal(stats.lines().length, 2 + counts.length);
  t.end();
});

t.test('extents', (t) => {
  const question = { startSector: 128, nrSectors: 384, chunkSectors: 128 };
  t.same(extentLines(question, [256, 128]), [
    'adding extent type hole at [65536...131071] (length 65536)',
    'adding extent type allocated data at [131072...196607] (length 65536)',
    'adding extent type hole at [196608...262143] (length 65536)',
  ]);
  t.same(extentLines(question, [128, 384]).length, 1);
  t.match(extentLines(question, []), ['adding extent type hole at [65536...262143]']);
  t.match(extentLines(question, undefined), ['adding extent type allocated data at [65536']);
  t.end();
});
