// The reference Disk: who gets memory when, what comes of requests, and that all memory returns.
import fc from 'fast-check';
import t from 'tap';
import {
  DiskRequest,
  type DiskClient,
  type DiskOp,
  type DiskSession,
} from '../../src/disk/disk.js';
import { MemoryDisk, type MemoryDiskOptions } from '../../src/disk/memory-disk.js';

const KIB = 1024;
const SMALL = { memoryBytes: 64 * KIB, requestBytesMax: 32 * KIB, pieceBytesMax: 16 * KIB };

/** A client that writes down what it is told. */
class Notes implements DiskClient {
  readonly grantedRequests: DiskRequest[] = [];
  readonly completedRequests: DiskRequest[] = [];

  granted(request: DiskRequest): void {
    this.grantedRequests.push(request);
  }

  completed(request: DiskRequest): void {
    this.completedRequests.push(request);
  }
}

function request(op: DiskOp, offsetBytes = 0, lengthBytes = 0): DiskRequest {
  return Object.assign(new DiskRequest(), { op, offsetBytes, lengthBytes });
}

function memoryDisk(options: Partial<MemoryDiskOptions> = {}): MemoryDisk {
  return new MemoryDisk({ data: Buffer.alloc(256 * KIB), ...SMALL, ...options });
}

function open(disk: MemoryDisk): { notes: Notes; session: DiskSession } {
  const notes = new Notes();
  return { notes, session: disk.session(notes) };
}

/** Begins, fills and submits a write. */
function write(session: DiskSession, offsetBytes: number, bytes: Buffer): DiskRequest {
  const made = request('write', offsetBytes, bytes.length);
  if (!session.begin(made)) throw new Error('no memory');
  let at = 0;
  for (const piece of made.pieces) at += bytes.copy(piece, 0, at);
  session.submit(made);
  return made;
}

t.test('read, write, zero, flush', (t) => {
  const disk = memoryDisk();
  const { notes, session } = open(disk);
  const bytes = Buffer.from([...Array(20 * KIB).keys()].map((n) => n % 251));
  const written = write(session, 100, bytes);
  t.same(
    written.pieces.map(({ length }) => length),
    [16 * KIB, 4 * KIB],
    'cut in pieces',
  );
  session.release(written);
  const zero = request('zero', 200, 50);
  t.ok(session.begin(zero));
  t.ok(session.begin(request('flush')));
  const read = request('read', 0, 1000);
  t.ok(session.begin(read));
  t.equal(notes.completedRequests.length, 4);
  const expected = Buffer.alloc(1000);
  bytes.copy(expected, 100);
  expected.fill(0, 200, 250);
  t.ok(Buffer.concat(read.pieces).equals(expected));
  session.release(read);
  t.equal(disk.pool.lentBytes, 0);
  t.end();
});

t.test('failing ranges', (t) => {
  const disk = memoryDisk();
  const { session } = open(disk);
  disk.failing.push({ op: 'read', startBytes: 10, endBytes: 20, error: 'EIO' });
  const errors = [
    [0, 10, undefined],
    [0, 11, 'EIO'],
    [19, 1, 'EIO'],
    [20, 1, undefined],
  ] as const;
  for (const [offset, length, error] of errors) {
    const read = request('read', offset, length);
    session.begin(read);
    t.equal(read.error, error, `${offset}+${length}`);
    session.release(read);
  }
  t.end();
});

t.test('grants: all or nothing, in order, half to a session', (t) => {
  const disk = memoryDisk();
  const [a, b, c] = [open(disk), open(disk), open(disk)];
  const whole = request('write', 0, 32 * KIB);
  t.ok(a.session.begin(whole));
  const more = request('read', 0, 1);
  t.notOk(a.session.begin(more), 'a session gets half of it');
  t.equal(b.session.othersWaitSinceMs(), undefined, 'it waits for its own memory');
  const half = request('write', 0, 20 * KIB);
  t.ok(b.session.begin(half), 'and holds up nobody');
  const big = request('read', 0, 16 * KIB);
  const small = request('read', 0, 1);
  t.notOk(c.session.begin(big), 'not all of it is there');
  const d = open(disk);
  t.notOk(d.session.begin(small), 'first come, first served');
  t.ok(d.session.begin(request('flush')), 'who needs no memory goes on');
  t.ok((a.session.othersWaitSinceMs() ?? -1) >= 0);
  t.ok((c.session.othersWaitSinceMs() ?? -1) >= 0, 'the other one waits, too');
  b.session.abandon(half);
  t.same(c.notes.grantedRequests, [big]);
  t.same(d.notes.grantedRequests, [small]);
  t.same(a.notes.grantedRequests, []);
  a.session.abandon(whole);
  t.same(a.notes.grantedRequests, [more]);
  t.end();
});

t.test('who waits can be thrown away', (t) => {
  const disk = memoryDisk();
  const [a, b, c, d] = [open(disk), open(disk), open(disk), open(disk)];
  const first = request('write', 0, 32 * KIB);
  a.session.begin(first);
  b.session.begin(request('write', 0, 28 * KIB));
  const big = request('read', 0, 8 * KIB);
  t.notOk(c.session.begin(big));
  const small = request('read', 0, 4 * KIB);
  t.notOk(d.session.begin(small));
  c.session.abandon(big);
  t.same(d.notes.grantedRequests, [], 'nothing is free yet: 28 KiB take 32');
  a.session.abandon(first);
  t.same(c.notes.grantedRequests, []);
  t.same(d.notes.grantedRequests, [small]);
  t.end();
});

t.test('close() waits for what is under way', async (t) => {
  const queue: (() => void)[] = [];
  const disk = memoryDisk({ schedule: (work) => queue.push(work) });
  const { notes, session } = open(disk);
  session.begin(request('flush'));
  session.end();
  t.throws(() => session.begin(request('flush')), /internal error/);
  let closed = false;
  const closing = disk.close().then((reasons) => {
    closed = true;
    return reasons;
  });
  await new Promise((resolve) => setImmediate(resolve));
  t.notOk(closed);
  queue.pop()?.();
  t.same(await closing, []);
  t.equal(notes.completedRequests.length, 1);
});

t.test('random sessions never get too much, and everybody is served', (t) => {
  const steps = fc.array(
    fc.record({
      who: fc.nat(3),
      lengthBytes: fc.integer({ min: 1, max: 32 * KIB }),
      give: fc.nat(9),
    }),
    { maxLength: 100 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const disk = memoryDisk();
      const open: DiskSession[] = [];
      const waiting = new Set<DiskSession>();
      const held: { session: DiskSession; request: DiskRequest }[] = [];
      for (let n = 0; n < 4; n++) {
        const session: DiskSession = disk.session({
          granted: (granted) => {
            waiting.delete(session);
            held.push({ session, request: granted });
          },
          completed: () => undefined,
        });
        open.push(session);
      }
      for (const { who, lengthBytes, give } of all) {
        const session = open[who]!;
        if (!waiting.has(session)) {
          const made = request('write', 0, lengthBytes);
          waiting.add(session);
          if (session.begin(made)) {
            waiting.delete(session);
            held.push({ session, request: made });
          }
        }
        if (disk.pool.lentBytes > SMALL.memoryBytes) return false;
        const back = held.splice(give, 1)[0];
        if (back) back.session.abandon(back.request);
      }
      while (held.length > 0) {
        const back = held.pop()!;
        back.session.abandon(back.request);
      }
      return waiting.size === 0 && disk.pool.lentBytes === 0;
    }),
  );
  t.end();
});

t.test('extents: blocks of zeroes are holes', (t) => {
  const disk = memoryDisk({ holeBytes: 4 * KIB });
  disk.data.fill(1, 8 * KIB, 9 * KIB);
  const { session } = open(disk);
  const list = (offsetBytes: number, lengthBytes: number, extentsMax: number): number[] => {
    const made = Object.assign(request('extents', offsetBytes, lengthBytes), { extentsMax });
    t.ok(session.begin(made));
    session.release(made);
    return made.extents;
  };
  t.same(list(0, 256 * KIB, 9), [8 * KIB, 3, 4 * KIB, 0, 244 * KIB, 3], 'neighbours are one');
  t.same(list(0, 256 * KIB, 2), [8 * KIB, 3, 4 * KIB, 0], 'no more than asked for');
  t.same(list(9 * KIB, 8 * KIB, 9), [3 * KIB, 0, 5 * KIB, 3], 'any range');
  const read = Object.assign(request('read', 7 * KIB, 2 * KIB), {
    takesHoles: true,
    extentsMax: 2,
  });
  t.ok(session.begin(read));
  t.same(read.extents, [KIB, 3, KIB, 0], 'a read that takes holes says where they are');
  session.release(read);
  t.equal(disk.pool.lentBytes, 0);
  t.end();
});
