// What is announced for which disk.
import t from 'tap';
import { MemoryDisk } from '../../src/disk/memory-disk.js';
import { singleExport, transmissionFlags } from '../../src/server/exports.js';

const data = Buffer.alloc(4096);
/** HAS_FLAGS, CAN_MULTI_CONN, SEND_CACHE. */
const ALWAYS = 0x501;
/** WRITE_ZEROES includes FAST_ZERO. */
const [READ_ONLY, FLUSH_AND_FUA, WRITE_ZEROES] = [0x002, 0x00c, 0x840] as const;

t.test('flags', (t) => {
  const flags = (options: object): number =>
    transmissionFlags(new MemoryDisk({ data, ...options }));
  t.equal(flags({}), ALWAYS | FLUSH_AND_FUA | WRITE_ZEROES);
  t.equal(flags({ canFlush: false }), ALWAYS | WRITE_ZEROES);
  t.equal(flags({ readOnly: true }), ALWAYS | READ_ONLY);
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
