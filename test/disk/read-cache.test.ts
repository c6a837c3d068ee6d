// The read cache: what is found, what gives way, and when memory is free.
import t from 'tap';
import { Slots } from '../../src/arena/slots.js';
import { CachedRange, type Origin, ReadCache } from '../../src/disk/read-cache.js';

const MIB = 1024 * 1024;

function setUp(bytesMax = 16 * 4096) {
  const slots = new Slots(Buffer.alloc(4 * MIB), 4 * MIB);
  const memory = {
    takeRead: (lengthBytes: number) => slots.allocate(lengthBytes),
    freeRead: (slot: Parameters<Slots['free']>[0]) => {
      slots.free(slot);
    },
  };
  const cache = new ReadCache(memory, bytesMax);
  const add = (startSector: number, nrSectors = 8, origin: Origin = 'read') => {
    const slot = cache.take(nrSectors * 512)!;
    const range = new CachedRange(startSector, startSector + nrSectors, slot, origin, 'valid');
    cache.add(range);
    return range;
  };
  /** In it, and in nobody's use. */
  const keep = (startSector: number, nrSectors = 8) => {
    const range = add(startSector, nrSectors);
    cache.unpin(range);
    return range;
  };
  const lentBytes = (): number => 4 * MIB - slots.freeBytes;
  return { cache, add, keep, lentBytes };
}

t.test('ranges that follow each other answer together, up to the first gap', (t) => {
  const { cache, keep } = setUp();
  const [one, two] = [keep(0), keep(8)];
  keep(24);
  const found: CachedRange[] = [];
  t.equal(cache.find(4, 32, found), 16);
  t.same(found, [one, two]);
  t.equal(cache.coveredUpTo(4, 32), 16);
  t.equal(cache.coveredUpTo(4, 10), 10);
  t.equal(cache.coveredUpTo(16, 20), 16);
  t.equal(cache.find(40, 41, found), 40);
  t.end();
});

t.test('the range that was used least lately gives way, not one in use', (t) => {
  const { cache, keep, add, lentBytes } = setUp(4 * 4096);
  const [one, two] = [keep(0), keep(100)];
  const used = add(200);
  cache.pin(one);
  cache.unpin(one);
  keep(300);
  keep(400);
  t.notOk(two.isFindable);
  t.ok(one.isFindable && used.isFindable);
  t.ok(cache.reserve(3 * 4096));
  t.notOk(cache.reserve(4 * 4096), 'one is in use');
  t.notOk(cache.take(5 * 4096), 'more than it may have');
  t.equal(lentBytes(), 4096);
  cache.unpin(used);
  t.ok(cache.evict());
  t.notOk(cache.evict());
  t.equal(lentBytes(), 0);
  t.ok(cache.isEmpty);
  t.end();
});

t.test('what was overwritten is found no more, and free when its last user is done', (t) => {
  const { cache, keep, lentBytes } = setUp();
  const [one, two] = [keep(0), keep(8)];
  cache.pin(one);
  cache.pin(one);
  cache.invalidate(7, 9);
  t.same([one.isFindable, two.isFindable], [false, false]);
  t.equal(one.state, 'valid', 'who has it may go on');
  t.equal(lentBytes(), 4096);
  cache.unpin(one);
  t.equal(lentBytes(), 4096);
  cache.unpin(one);
  t.equal(lentBytes(), 0);
  t.equal(cache.bytes, 0);
  t.end();
});

t.test('the end of a helper is the end of everything', (t) => {
  const { cache, keep, lentBytes } = setUp();
  const used = keep(0);
  cache.pin(used);
  keep(1000, 64);
  cache.clear();
  t.match([cache.isEmpty, cache.generation, used.state], [true, 1, 'dead']);
  t.equal(lentBytes(), 4096);
  cache.unpin(used);
  t.equal(lentBytes(), 0);
  t.end();
});

t.test('who waits for ranges is told once, when the last of them has come', (t) => {
  const { cache, add, lentBytes } = setUp();
  const [one, two, three] = [add(0), add(8), add(16)];
  for (const range of [one, two, three]) range.state = 'filling';
  let arrived = 0;
  const waiter = { waitsFor: 3, arrived: () => arrived++ };
  for (const range of [one, two, three]) range.waiters.push(waiter);
  cache.filled(one, true);
  cache.filled(two, false);
  t.equal(arrived, 0);
  cache.clear();
  cache.filled(three, true);
  t.equal(arrived, 1);
  t.same(
    [one, two, three].map(({ state }) => state),
    ['dead', 'dead', 'dead'],
  );
  t.equal(lentBytes(), 0);
  t.end();
});

t.test('what is of use only once goes when all of it was read', (t) => {
  const { cache, keep } = setUp();
  const range = keep(0);
  range.unreadSectors = 8;
  for (const left of [4, 0]) {
    cache.pin(range);
    cache.used(range, 4);
    t.equal(range.unreadSectors, left);
    cache.unpin(range);
  }
  t.notOk(range.isFindable);
  t.equal(cache.bytes, 0);
  t.end();
});
