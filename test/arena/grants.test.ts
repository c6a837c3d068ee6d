// Grants: all or nothing, in order of arrival, half an arena for a session, nobody starves.
import t from 'tap';
import fc from 'fast-check';
import { Demand, Grants } from '../../src/arena/grants.js';
import { Slots } from '../../src/arena/slots.js';
import { systemClock } from '../../src/base/clock.js';
import { PIECE_BYTES_MAX } from '../../src/base/limits.js';

const MIB = 1024 * 1024;
const PIECES = 8;
const MEMORY = Buffer.alloc(PIECES * PIECE_BYTES_MAX);

interface Bench {
  grants: Grants;
  read: Slots;
  write: Slots;
  clock: { ms: number };
  /** Demands in the order in which onGranted() was called. */
  granted: Demand[];
  demand: (session: object, readBytes: number, writeBytes?: number) => Demand;
}

/** Eight pieces to read, seven to write, as in Arenas. */
function bench(): Bench {
  const read = new Slots(MEMORY, MEMORY.length);
  const write = new Slots(MEMORY, MEMORY.length - PIECE_BYTES_MAX);
  const clock = {
    ms: 0,
    nowMs: () => clock.ms,
    after: () => systemClock.after(0, () => undefined),
  };
  const granted: Demand[] = [];
  return {
    grants: new Grants({ read, write, arenaBytes: MEMORY.length }, clock),
    read,
    write,
    clock,
    granted,
    demand: (session, readBytes, writeBytes = 0) => {
      const demand = new Demand((one) => granted.push(one));
      return Object.assign(demand, { session, readBytes, writeBytes });
    },
  };
}

const [A, B, C] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

t.test('pieces of a grant', async (t) => {
  const { grants, demand, read, write } = bench();
  const one = demand(A, 5 * MIB, 3000);
  t.equal(grants.request(one), true);
  t.same(
    one.readSlots.map((slot) => slot.sizeBytes),
    [2 * MIB, 2 * MIB, MIB],
  );
  t.same(
    one.writeSlots.map((slot) => slot.sizeBytes),
    [4096],
  );
  t.throws(() => grants.request(one), /made once/);
  grants.release(one);
  grants.release(one);
  t.same([one.readSlots, one.writeSlots], [[], []]);
  t.equal(read.freeBytes + write.freeBytes, read.bytes + write.bytes);
  t.equal(grants.request(demand(A, 0)), true, 'nothing is always there');
  t.throws(() => grants.request(demand(A, 17 * MIB)), /read arena can hold/);
  t.throws(() => grants.request(demand(A, 0, 15 * MIB)), /write arena can hold/);
});

t.test('both arenas or none', async (t) => {
  const { grants, demand, read, granted } = bench();
  const first = demand(A, 0, 14 * MIB);
  t.equal(grants.request(first), true);
  const second = demand(B, 2 * MIB, 1);
  t.equal(grants.request(second), false);
  t.equal(read.freeBytes, read.bytes, 'nothing is held while it waits');
  t.same(granted, []);
  grants.release(first);
  t.same(granted, [second]);
});

t.test('who waits for memory holds up those behind', async (t) => {
  const { grants, demand, granted } = bench();
  const first = demand(A, 14 * MIB);
  const large = demand(B, 8 * MIB);
  const small = demand(C, 1);
  t.equal(grants.request(first), true);
  t.equal(grants.request(large), false);
  t.equal(grants.request(small), false, 'there is room, but not its turn');
  grants.release(large);
  t.same(granted, [small], 'unless the one before gives up');
  grants.release(first);
  t.same(granted, [small]);
});

t.test('who waits to write does not hold up who reads', async (t) => {
  const { grants, demand, granted } = bench();
  const first = demand(A, 0, 14 * MIB);
  const [writer, unaligned, reader, large] = [
    demand(B, 0, MIB),
    demand(C, 4096, MIB),
    demand({}, 12 * MIB),
    demand({}, 4 * MIB),
  ];
  t.equal(grants.request(first), true);
  t.equal(grants.request(writer), false);
  t.equal(grants.request(unaligned), false);
  t.equal(grants.request(reader), true, 'a read passes');
  const later = demand(C, 1);
  t.equal(grants.request(later), false, 'but not those of its own session');
  t.equal(grants.request(large), true);
  grants.release(first);
  t.same(granted, [writer], 'the read arena is full');
  const another = demand({}, 0, MIB);
  t.equal(grants.request(another), true, 'it did not lack memory to write');
  const [more, kept] = [demand({}, 1), demand({}, 4 * MIB)];
  t.equal(grants.request(more), false, 'what it lacks is kept for it');
  t.equal(grants.request(kept), false);
  grants.release(large);
  t.same(granted, [writer, unaligned, later, more]);
  grants.release(reader);
  t.same(granted, [writer, unaligned, later, more, kept]);
});

t.test('half an arena for a session', async (t) => {
  const { grants, demand, granted } = bench();
  const [first, more, later] = [demand(A, 6 * MIB), demand(A, 4 * MIB), demand(A, 1)];
  t.equal(grants.request(first), true);
  t.equal(grants.request(more), false, 'over the half');
  t.equal(grants.request(later), false, 'not before an older one of its own session');
  const other = demand(B, 2 * MIB);
  t.equal(grants.request(other), true, 'others pass');
  const large = demand(C, 10 * MIB);
  t.equal(grants.request(large), false, 'others pass up to what is there');
  grants.release(other);
  t.same(granted, [large], 'later walks over the queue pass over A too');
  grants.release(first);
  t.same(granted, [large, more, later], 'it kept its place in the queue');
});

t.test('more than half for a session that holds nothing', async (t) => {
  const { grants, demand } = bench();
  t.equal(grants.request(demand(A, 12 * MIB, 12 * MIB)), true);
  t.equal(grants.request(demand(A, 1)), false);
});

t.test('who waits since when', async (t) => {
  const { grants, demand, clock } = bench();
  const [held, held2] = [demand(A, 8 * MIB), demand(B, 6 * MIB)];
  grants.request(held);
  grants.request(held2);
  clock.ms = 10;
  grants.request(demand(A, MIB));
  t.equal(grants.oldestWaitSinceMs(B), undefined, 'A waits for itself');
  clock.ms = 20;
  grants.request(demand(C, 3 * MIB));
  clock.ms = 30;
  t.equal(grants.oldestWaitSinceMs(A), 20);
  t.equal(grants.oldestWaitSinceMs(C), undefined);
  grants.release(held2);
  t.equal(grants.oldestWaitSinceMs(A), undefined);
});

t.test('onGranted may request and release', async (t) => {
  const { grants, read, granted } = bench();
  const again = new Demand((one) => granted.push(one));
  const first = Object.assign(new Demand(() => undefined), { session: A, readBytes: 16 * MIB });
  const chained = new Demand((one) => {
    grants.release(one);
    t.equal(grants.request(Object.assign(again, { session: B, readBytes: 1 })), false);
    t.same(granted, [], 'not inside request()');
  });
  Object.assign(chained, { session: B, readBytes: 16 * MIB });
  grants.request(first);
  grants.request(chained);
  grants.release(first);
  t.same(granted, [again]);
  grants.release(again);
  t.equal(read.freeBytes, read.bytes);
});

/** A model of the rules, checked after every step of a random history. */
function checkHistory(
  steps: { session: number; readBytes: number; writeBytes: number; release: number }[],
): boolean {
  const { grants, demand, read, write, granted } = bench();
  const sessions = [{}, {}, {}, {}];
  const waiting: Demand[] = [];
  const held: Demand[] = [];
  const settle = (): void => {
    for (const one of granted) {
      // Only who waits for its own session is overtaken, and never by its own session; or who
      // needs memory that the other does not.
      for (const other of waiting.slice(0, waiting.indexOf(one))) {
        if (other.session === one.session) throw new Error('overtaken by its own session');
        const holds = held.some((demand) => demand.session === other.session);
        const apart = one.writeBytes === 0 && other.writeBytes > 0;
        if (!holds && !apart) throw new Error('overtaken');
      }
      waiting.splice(waiting.indexOf(one), 1);
      held.push(one);
    }
    granted.length = 0;
  };
  for (const step of steps) {
    if (held.length > 0 && step.release % 3 !== 0) {
      grants.release(held.splice(step.release % held.length, 1)[0]!);
      settle();
      continue;
    }
    const one = demand(sessions[step.session]!, step.readBytes, step.writeBytes);
    if (grants.request(one)) held.push(one);
    else waiting.push(one);
    if (granted.length > 0) return false;
    const mine = held.filter((other) => other.session === one.session);
    const readBytes = mine.flatMap((other) => other.readSlots).reduce((s, x) => s + x.sizeBytes, 0);
    if (mine.length > 1 && readBytes > MEMORY.length / 2) return false;
    if (waiting.some((other) => other.readSlots.length + other.writeSlots.length > 0)) return false;
  }
  // Nobody starves: when all that is held comes back, again and again, the queue empties.
  while (held.length > 0) {
    grants.release(held.shift()!);
    settle();
  }
  return waiting.length === 0 && read.freeBytes === read.bytes && write.freeBytes === write.bytes;
}

t.test('random histories', async () => {
  const step = fc.record({
    session: fc.integer({ min: 0, max: 3 }),
    readBytes: fc.oneof(fc.integer({ min: 1, max: 9 * MIB }), fc.integer({ min: 1, max: 9000 })),
    writeBytes: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 9 * MIB })),
    release: fc.nat(1000),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), checkHistory), { numRuns: 300 });
});

t.test('memory that is only kept gives way to who needs it', (t) => {
  const { grants, demand, read } = bench();
  const kept = Array.from({ length: PIECES }, () => grants.takeRead(PIECE_BYTES_MAX)!);
  t.equal(grants.takeRead(1), undefined, 'there is no more');
  let reclaims = 0;
  grants.reclaim = () => {
    const slot = kept.pop();
    if (slot) grants.freeRead(slot);
    reclaims++;
    return slot !== undefined;
  };
  t.ok(grants.request(demand(A, 5 * MIB)));
  t.equal(kept.length, PIECES - 3, 'no more than it takes');
  const [long, short] = [demand(B, 8 * PIECE_BYTES_MAX), demand(C, 1)];
  t.notOk(grants.request(long));
  t.equal(kept.length, 0, 'it will need all');
  t.notOk(grants.request(short));
  t.equal(grants.takeRead(1), undefined, 'nothing for nobody while somebody waits');
  grants.release(long);
  t.equal(short.state, 'granted');
  t.ok(grants.takeRead(1));
  t.equal(reclaims, PIECES + 1);
  t.ok(read.freeBytes > 0);
  t.end();
});

t.test('memory that is freed by itself is for who waits, after retry()', (t) => {
  const { grants, demand, granted } = bench();
  const kept = Array.from({ length: PIECES }, () => grants.takeRead(PIECE_BYTES_MAX)!);
  const waits = demand(A, 1);
  t.notOk(grants.request(waits));
  grants.retry();
  t.same(granted, []);
  grants.freeRead(kept[0]!);
  t.same(granted, []);
  grants.retry();
  t.same(granted, [waits]);
  t.end();
});

t.test('what is charged counts for its session, what is kept does not', (t) => {
  const { grants, demand, read } = bench();
  const [charged, more, rest] = [demand(A, 7 * MIB), demand(A, 2 * MIB), demand(A, MIB)];
  t.ok(grants.charge(charged));
  t.equal(read.freeBytes, MEMORY.length, 'it takes nothing');
  t.notOk(grants.charge(more), 'more than half');
  t.notOk(grants.request(more));
  t.notOk(grants.charge(rest), 'it would pass the one that waits');
  grants.release(charged);
  t.equal(more.state, 'granted');
  const slots = [...more.readSlots];
  grants.keepRead(more);
  grants.release(more);
  t.equal(read.freeBytes, MEMORY.length - 2 * MIB, 'it is whose who frees it');
  t.ok(grants.charge(demand(A, 8 * MIB)), 'and counts for nobody');
  for (const slot of slots) grants.freeRead(slot);
  t.equal(read.freeBytes, MEMORY.length);
  t.end();
});
