// The window between requests and a helper: bounds, parts, and that no error of memory gets out.
import fc from 'fast-check';
import t from 'tap';
import { HELPER_REQUESTS_MAX, MEMORY_REQUEST_SECTORS_MIN } from '../../src/base/limits.js';
import { IO_OPS } from '../../src/helper/protocol.js';
import { RequestLimits } from '../../src/supervisor/request-limits.js';
import { HelperWindow } from '../../src/supervisor/window.js';
import { vixErrorPolicy } from '../../src/vddk/errors.js';
import { SimHelper } from '../lib/sim-helper.js';
import { TestIo } from '../lib/sim-supervisor.js';

const NO_MEMORY = 2;

/** `areForGood`: what a part has done need not be done again. */
function setUp(areForGood = true) {
  const helper = new SimHelper({ event: () => undefined });
  const limits = new RequestLimits();
  const parts: [TestIo, number][] = [];
  const answers: [TestIo, number | bigint][] = [];
  const events: string[] = [];
  const window = new HelperWindow({
    helper,
    limits,
    errors: vixErrorPolicy,
    lowered: () => events.push('lowered'),
    exhausted: () => events.push('exhausted'),
    idle: () => events.push('idle'),
  });
  const judge = {
    answered: (io: TestIo, vixError: number | bigint) => answers.push([io, vixError]),
    partSucceeded: (io: TestIo, nrSectors: number) => {
      parts.push([io, nrSectors]);
      return areForGood;
    },
  };
  const send = (startSector: number, nrSectors: number, op = IO_OPS.WRITE as TestIo['op']) => {
    const io = new TestIo(startSector, op, nrSectors);
    io.arenaOffset = startSector * 512;
    Object.assign(io, { judge });
    window.send(io);
    return io;
  };
  const sectors = (): number[][] =>
    helper.inFlight.map(({ startSector, nrSectors }) => [startSector, nrSectors]);
  return { helper, limits, window, send, sectors, answers, events, parts };
}

t.test('each answer reaches its judge once, and the window is idle after the last', (t) => {
  const { helper, window, send, answers, events } = setUp();
  const [first, second] = [send(0, 8), send(8, 8)];
  helper.answer(0, 1);
  t.same(events, []);
  helper.answer(7);
  t.same(answers, [
    [second, 0],
    [first, 7],
  ]);
  t.same(events, ['idle']);
  t.ok(window.isIdle);
  t.end();
});

t.test('the depth is bounded; the rest goes in order of arrival', (t) => {
  const { helper, limits, send, sectors, window } = setUp();
  limits.depthMax = 2;
  for (let i = 0; i < 5; i++) send(i, 1);
  t.same(sectors(), [
    [0, 1],
    [1, 1],
  ]);
  helper.answer();
  helper.answer();
  t.same(sectors(), [
    [2, 1],
    [3, 1],
  ]);
  t.equal(window.inFlight, 2);
  t.same(new RequestLimits().depthMax, HELPER_REQUESTS_MAX);
  t.end();
});

t.test('without memory a request comes again, smaller, part by part, and its judge sees 0', (t) => {
  const { helper, send, sectors, answers, events } = setUp();
  const io = send(100, 64);
  helper.answer(NO_MEMORY);
  t.same(events, ['lowered']);
  t.same(sectors(), [[100, 32]]);
  helper.answer(NO_MEMORY);
  t.same(sectors(), [[100, 16]]);
  for (const startSector of [100, 116, 132, 148]) {
    t.same(sectors(), [[startSector, 16]]);
    t.equal(helper.inFlight[0]?.arenaOffset, startSector * 512, 'its bytes go with it');
    t.same(answers, []);
    helper.answer();
  }
  t.same(answers, [[io, 0]]);
  t.end();
});

for (const areForGood of [true, false]) {
  const what = areForGood ? 'goes on where it was' : 'begins anew, if nobody remembers its parts';
  t.test(`a request in parts ${what}, in the next helper`, (t) => {
    const old = setUp(areForGood);
    const io = old.send(100, 64);
    for (const size of [64, 32]) {
      t.same(old.sectors(), [[100, size]]);
      old.helper.answer(NO_MEMORY);
    }
    t.same(old.sectors(), [[100, 16]]);
    old.helper.answer();
    old.helper.answer();
    t.same(
      old.parts,
      areForGood
        ? [
            [io, 16],
            [io, 16],
          ]
        : [[io, 16]],
    );
    t.same(old.window.takeAll(), { inFlight: [io], queued: [] });
    t.equal(io.lastSector, 132, 'what its helper died of, if it did');

    const next = setUp(areForGood);
    next.limits.requestSectorsMax = areForGood ? 4096 : 8;
    next.window.send(io);
    t.same(next.sectors(), [areForGood ? [132, 32] : [100, 8]]);
    t.equal(next.helper.inFlight[0]?.arenaOffset, (areForGood ? 132 : 100) * 512);
    while (next.helper.inFlight.length > 0) next.helper.answer();
    t.same(old.answers, [[io, 0]], 'its judge is told, once');
    io.renew();
    t.equal(io.doneSectors, 0, 'the next request of this record has nothing done');
    t.end();
  });
}

t.test('a part that fails for another reason fails the whole, at once', (t) => {
  const { helper, send, sectors, answers } = setUp();
  const io = send(0, 64);
  helper.answer(NO_MEMORY);
  helper.answer();
  helper.answer(16007);
  t.same(answers, [[io, 16007]]);
  t.same(sectors(), []);
  t.end();
});

t.test('what had no memory goes before what waits', (t) => {
  const { helper, limits, send, sectors } = setUp();
  limits.depthMax = 2;
  for (let i = 0; i < 4; i++) send(10 * i, 8);
  helper.answer(NO_MEMORY, 1);
  t.same(sectors(), [[0, 8]], 'now at most one at a time');
  helper.answer();
  t.same(sectors(), [[10, 8]]);
  t.end();
});

t.test('one request of the smallest size without memory is the end of this helper', (t) => {
  const { helper, send, events, answers, window } = setUp();
  const io = send(0, MEMORY_REQUEST_SECTORS_MIN);
  helper.answer(NO_MEMORY);
  t.same(events, ['exhausted']);
  t.same(answers, []);
  t.same(window.takeAll(), { inFlight: [], queued: [io] }, 'it is for the next one');
  t.end();
});

t.test('a flush without memory is an error like others: it can not be smaller', (t) => {
  const { helper, send, answers } = setUp();
  const flush = send(0, 0, IO_OPS.FLUSH);
  helper.answer(NO_MEMORY);
  t.same(answers, [[flush, NO_MEMORY]]);
  t.end();
});

t.test('what is left at the end is whole requests, each once, in order', (t) => {
  const { helper, limits, send, window } = setUp();
  limits.depthMax = 2;
  limits.requestSectorsMax = 8;
  const ios = [send(0, 24), send(100, 8), send(200, 24), send(300, 8)];
  helper.answer(NO_MEMORY, 1);
  helper.answer();
  const { inFlight, queued } = window.takeAll();
  t.same(inFlight, [ios[0]], 'its second part was in the helper');
  t.same(queued, [ios[1], ios[2], ios[3]]);
  t.ok(window.isIdle);
  t.same(window.takeAll(), { inFlight: [], queued: [] });
  t.end();
});

t.test('a library with little memory: all is done once, every sector, within its bounds', (t) => {
  const requests = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 });
  const choices = fc.infiniteStream(fc.nat(1000));
  fc.assert(
    fc.property(requests, fc.integer({ min: 16, max: 400 }), choices, (sizes, memory, choice) => {
      const { helper, send, answers } = setUp();
      const done = new Map<number, number>();
      sizes.forEach((size, n) => send(1000 * n, size));
      for (let turn = 0; helper.inFlight.length > 0; turn++) {
        if (turn > 20_000) throw new Error('it never ends');
        const index = choice.next().value! % helper.inFlight.length;
        const io = helper.inFlight[index]!;
        const used = helper.inFlight.reduce((sum, { nrSectors }) => sum + nrSectors, 0);
        if (used > memory) {
          helper.answer(NO_MEMORY, index);
          continue;
        }
        for (let at = io.startSector; at < io.startSector + io.nrSectors; at++) {
          done.set(at, (done.get(at) ?? 0) + 1);
        }
        helper.answer(0, index);
      }
      if (answers.length !== sizes.length) throw new Error('each request is answered once');
      if (answers.some(([, vixError]) => vixError !== 0)) throw new Error('none fails');
      const wanted = sizes.reduce((sum, size) => sum + size, 0);
      if (done.size !== wanted) throw new Error(`${done.size} of ${wanted} sectors are done`);
    }),
    { numRuns: 100 },
  );
  t.end();
});

t.test('over NFC so many bytes are in the library at once, over others any number', (t) => {
  const { limits, send, sectors, helper } = setUp();
  limits.opened('nbdssl');
  for (let n = 0; n < 10; n++) send(n * 4096, 4096);
  t.equal(sectors().length, 8, '16 MiB');
  send(100_000, 8);
  t.equal(sectors().length, 8, 'none passes those that wait');
  helper.answer();
  t.equal(sectors().length, 8);
  helper.answer();
  helper.answer();
  t.equal(sectors().length, 8, 'two of 2 MiB were left, and the small one');
  t.same(sectors().at(-1), [100_000, 8]);
  limits.opened('san');
  for (let n = 0; n < 10; n++) send(n * 4096, 4096);
  t.equal(sectors().length, 18);
  t.end();
});

t.test('what nobody waits for leaves room for what somebody does', (t) => {
  const { limits, send, window } = setUp();
  t.ok(window.hasRoomFor(4096));
  limits.opened('nbd');
  for (let n = 0; n < 3; n++) send(n * 4096, 4096);
  t.ok(window.hasRoomFor(4096), 'half of 16 MiB');
  send(20_000, 1);
  t.notOk(window.hasRoomFor(4096));
  t.ok(window.hasRoomFor(4095));
  limits.requestSectorsMax = 2048;
  t.notOk(window.hasRoomFor(4095), 'it would have to be cut');
  limits.depthMax = 5;
  t.notOk(window.hasRoomFor(8), 'the last place is not for it');
  t.end();
});
