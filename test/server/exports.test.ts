// What is announced for which disk.
import t from 'tap';
import { MemoryDisk } from '../../src/disk/memory-disk.js';
import { singleExport, transmissionFlags } from '../../src/server/exports.js';

const data = Buffer.alloc(4096);
const HAS_FLAGS_MULTI_CONN = 0x101;
const [READ_ONLY, FLUSH_AND_FUA, WRITE_ZEROES] = [0x002, 0x00c, 0x040] as const;

t.test('flags', (t) => {
  const flags = (options: object): number =>
    transmissionFlags(new MemoryDisk({ data, ...options }));
  t.equal(flags({}), HAS_FLAGS_MULTI_CONN | FLUSH_AND_FUA | WRITE_ZEROES);
  t.equal(flags({ canFlush: false }), HAS_FLAGS_MULTI_CONN | WRITE_ZEROES);
  t.equal(flags({ readOnly: true }), HAS_FLAGS_MULTI_CONN | READ_ONLY);
  t.end();
});

t.test('one disk goes by every name, and is listed once', (t) => {
  const disk = new MemoryDisk({ data, preferredBlockBytes: 65536, requestBytesMax: 1 << 20 });
  const exports = singleExport(disk, 'text');
  t.match(exports.list(), [{ name: '', description: 'text' }]);
  t.equal(exports.lookup('anything'), exports.lookup(''));
  t.match(exports.lookup(''), {
    disk,
    sizeBytes: 4096,
    minimumBlockBytes: 1,
    preferredBlockBytes: 65536,
    payloadBytesMax: 1 << 20,
  });
  t.end();
});
