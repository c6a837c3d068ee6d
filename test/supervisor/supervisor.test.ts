// The supervisor over helpers in this process: first open, death and replay, giving up, closing.
import t from 'tap';
import {
  ANOTHER_DISK_PAUSE_MS,
  CALL_TIMEOUT_FACTOR,
  HEARTBEAT_INTERVAL_MS,
  HEARTBEAT_TIMEOUT_MS,
  HELPER_REQUESTS_MAX,
  RECOVERY_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
} from '../../src/base/limits.js';
import { HelperCallError } from '../../src/helper/helper.js';
import { OpenFailure } from '../../src/supervisor/first-open.js';
import { settle, type SimOptions } from '../lib/sim-helper.js';
import { setUpSupervisor, TestIo } from '../lib/sim-supervisor.js';

function setUp(plan: (n: number) => SimOptions = () => ({}), fileIdentity = () => '') {
  return setUpSupervisor({ plan, fileIdentity });
}

t.test('the first open makes the four calls in order', async (t) => {
  const { supervisor, helpers } = setUp();
  const facts = await supervisor.open();
  t.same(helpers[0]?.calls, ['HELLO', 'CONNECT', 'OPEN', 'INFO']);
  t.equal(facts.info.capacitySectors, 2048);
  t.equal(facts.transportMode, 'file');
  await supervisor.close();
  t.ok(helpers[0]?.inputEnded);
});

t.test('a refused first open carries the refusal and what the library said', async (t) => {
  const { supervisor, helpers, lines } = setUp(() => ({ refuse: { OPEN: 15 } }));
  const opening = supervisor.open();
  helpers[0]?.listener.event({ name: 'log', level: 'warning', text: 'it is locked', dropped: 0 });
  const failure = await opening.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(failure instanceof OpenFailure)) return t.fail('an OpenFailure is expected');
  t.ok(failure.cause instanceof HelperCallError && failure.cause.vixError === 15);
  t.same(failure.libraryLines, ['it is locked']);
  t.ok(helpers[0]?.killedFor);
  t.equal(helpers.length, 1, 'no second attempt');
  t.same(
    lines.filter((line) => line.includes('locked')),
    [],
    'left to the caller to print',
  );
});

t.test('a helper that is silent at the start is killed at its deadline', async (t) => {
  const { supervisor, helpers, clock } = setUp(() => ({ ignore: ['HELLO'] }));
  const opening = t.rejects(supervisor.open(), /no answer to HELLO within 250 s/);
  await clock.pass(CALL_TIMEOUT_FACTOR * REQUEST_TIMEOUT_MS);
  await opening;
  t.match(helpers[0]?.killedFor, /no answer to HELLO/);
});

t.test('a death replays what was in flight in its old order, then what came later', async (t) => {
  const { supervisor, helpers, clock, lines } = setUp();
  await supervisor.open();
  const ios = [1, 2, 3, 4].map((sector) => new TestIo(sector));
  for (const io of ios.slice(0, 3)) supervisor.io(io);
  helpers[0]?.answer(0, 1);
  helpers[0]?.die('killed by SIGSEGV');
  await settle();
  supervisor.io(ios[3]!);
  t.equal(helpers.length, 1, 'the new helper starts by the timer');
  await clock.pass(0);
  t.same(
    helpers[1]?.seen.map((io) => io.startSector),
    [1, 3, 4],
  );
  for (let i = 0; i < 3; i++) helpers[1]?.answer();
  t.same(
    ios.map((io) => io.results),
    [[0], [0], [0], [0]],
    'each is settled once',
  );
  t.equal(supervisor.counters.deaths, 1);
  t.match(lines.join(''), /helper replaced after 0 ms \(killed by SIGSEGV\); 2 requests replayed/);
  await supervisor.close();
});

t.test('no new helper before the old one is gone, and later ones come later', async (t) => {
  const { supervisor, helpers, clock } = setUp();
  await supervisor.open();
  helpers[0]?.die('one');
  await clock.pass(0);
  helpers[1]?.die('two');
  await clock.pass(99);
  t.equal(helpers.length, 2, 'without progress the second death waits');
  await clock.pass(1);
  t.equal(helpers.length, 3);
  const io = new TestIo(1);
  supervisor.io(io);
  helpers[2]?.answer();
  helpers[2]?.die('three');
  await clock.pass(0);
  t.equal(helpers.length, 4, 'after a completed I/O a death is a first one again');
  await supervisor.close();
});

t.test('a failed reopen is tried again; an error of a request is its own', async (t) => {
  const { supervisor, helpers, clock } = setUp((n) => (n === 1 ? { refuse: { OPEN: 15 } } : {}));
  await supervisor.open();
  const io = new TestIo(9);
  supervisor.io(io);
  helpers[0]?.die('gone');
  await clock.pass(100);
  t.equal(helpers.length, 3);
  helpers[2]?.answer(16007);
  t.same(io.results, [16007]);
  await supervisor.close();
});

for (const [what, info] of [
  ['smaller', { capacitySectors: 2047 }],
  ['of another uuid', { uuid: 'other' }],
] as const) {
  t.test(`a disk that came back ${what} gets no request, which is an error for all`, async (t) => {
    const { supervisor, helpers, clock, lines } = setUp((n) => (n === 1 ? { info } : {}));
    await supervisor.open();
    const io = new TestIo(1);
    supervisor.io(io);
    helpers[0]?.die('gone');
    await clock.pass(100);
    t.same(helpers[1]?.seen, []);
    t.match(lines.join(''), /another disk now/);
    t.same(io.results, [1]);
    const soon = new TestIo(1);
    supervisor.io(soon);
    await clock.pass(ANOTHER_DISK_PAUSE_MS);
    t.same(soon.results, [1], 'not one attempt for each request');
    supervisor.io(new TestIo(1));
    await clock.pass(100);
    t.equal(helpers[2]?.seen.length, 1, 'a later request makes a new attempt');
    await supervisor.close();
  });
}

t.test('another file of the same size and uuid gets no request', async (t) => {
  let file = 'first';
  const { supervisor, helpers, clock, lines } = setUp(undefined, () => file);
  await supervisor.open();
  supervisor.io(new TestIo(1));
  file = 'second';
  helpers[0]?.die('gone');
  await clock.pass(0);
  t.same(helpers[1]?.seen, []);
  t.match(lines.join(''), /another file has taken its name/);
  file = 'first';
  await clock.pass(ANOTHER_DISK_PAUSE_MS);
  supervisor.io(new TestIo(1));
  await clock.pass(100);
  t.equal(helpers[2]?.seen.length, 1, 'when the file is back, so is the disk');
  await supervisor.close();
});

t.test('a larger disk is served as it was', async (t) => {
  const { supervisor, helpers, clock } = setUp((n) => ({ info: { capacitySectors: 2048 + n } }));
  await supervisor.open();
  supervisor.io(new TestIo(1));
  helpers[0]?.die('gone');
  await clock.pass(0);
  t.equal(helpers[1]?.seen.length, 1);
  await supervisor.close();
});

t.test('time in which nobody waited does not count towards giving up', async (t) => {
  const { supervisor, helpers, clock } = setUp();
  await supervisor.open();
  helpers[0]?.die('while nothing was asked');
  await clock.pass(0);
  // Healthy, and nobody asks for anything.
  await clock.pass(2 * RECOVERY_TIMEOUT_MS);
  const io = new TestIo(1);
  supervisor.io(io);
  helpers.at(-1)?.die('with a request in it');
  await clock.pass(RECOVERY_TIMEOUT_MS / 2);
  t.same(io.results, [], 'it was asked just now');
  helpers.at(-1)?.answer();
  t.same(io.results, [0]);
  await supervisor.close();
});

t.test('giving up also fails what waited for a request that fails', async (t) => {
  const { supervisor, helpers, clock, lines } = setUp((n) =>
    n > 0 ? { refuse: { CONNECT: 18000 } } : {},
  );
  await supervisor.open();
  const behind = new TestIo(1);
  const first = new (class extends TestIo {
    override settled(vixError: number | bigint): void {
      super.settled(vixError);
      // As a range lock does.
      supervisor.io(behind);
    }
  })(1);
  supervisor.io(first);
  helpers[0]?.die('gone');
  await clock.pass(RECOVERY_TIMEOUT_MS + 20_000);
  t.same([first.results, behind.results], [[1], [1]]);
  t.equal(lines.join('').match(/no helper could be brought back/g)?.length, 1);
  const attempts = helpers.length;
  await clock.pass(60_000);
  t.equal(helpers.length, attempts, 'and starts no attempt of its own');
  await supervisor.close();
});

t.test('any number of requests is replayed', async (t) => {
  const { supervisor, helpers, clock } = setUp();
  await supervisor.open();
  const count = 300_000;
  for (let i = 0; i < count; i++) supervisor.io(new TestIo(i));
  helpers[0]?.die('gone');
  await clock.pass(0);
  t.equal(helpers[1]?.seen.length, HELPER_REQUESTS_MAX, 'so many at once');
  while (helpers[1]!.inFlight.length > 0) helpers[1]!.answer(0, helpers[1]!.inFlight.length - 1);
  t.equal(helpers[1]?.seen.length, count);
  await supervisor.close();
});

t.test('giving up fails what waits; the next request starts a new attempt', async (t) => {
  let broken = true;
  const { supervisor, helpers, clock, lines } = setUp((n) =>
    n > 0 && broken ? { refuse: { CONNECT: 18000 } } : {},
  );
  await supervisor.open();
  const lost = new TestIo(1);
  supervisor.io(lost);
  helpers[0]?.die('gone');
  await clock.pass(RECOVERY_TIMEOUT_MS - 20_000);
  t.same(lost.results, [], 'never before its time');
  await clock.pass(40_000);
  t.same(lost.results, [1]);
  t.match(lines.join(''), /1 requests fail/);
  const attempts = helpers.length;
  await clock.pass(60_000);
  t.equal(helpers.length, attempts, 'nothing is tried while nobody asks');
  broken = false;
  const later = new TestIo(2);
  supervisor.io(later);
  await clock.pass(0);
  helpers.at(-1)?.answer();
  t.same(later.results, [0]);
  await supervisor.close();
});

t.test('a helper without heartbeat is replaced; one that answers is not', async (t) => {
  const { supervisor, helpers, clock } = setUp((n) => (n === 0 ? { ignore: ['PING'] } : {}));
  await supervisor.open();
  await clock.pass(HEARTBEAT_TIMEOUT_MS - HEARTBEAT_INTERVAL_MS);
  t.equal(helpers[0]?.killedFor, undefined);
  await clock.pass(2 * HEARTBEAT_INTERVAL_MS);
  t.match(helpers[0]?.killedFor, /no heartbeat/);
  await clock.pass(10 * HEARTBEAT_TIMEOUT_MS);
  t.equal(helpers.length, 2);
  t.equal(helpers[1]?.killedFor, undefined);
  await supervisor.close();
  t.equal(clock.pendingTimers, 0, 'no timer is left');
});

t.test('closing while a helper is being brought back ends it, and fails what waits', async (t) => {
  const { supervisor, helpers, clock } = setUp((n) => (n === 1 ? { ignore: ['OPEN'] } : {}));
  await supervisor.open();
  const io = new TestIo(1);
  supervisor.io(io);
  helpers[0]?.die('gone');
  await clock.pass(0);
  await supervisor.close();
  t.match(helpers[1]?.killedFor, /the server stops/);
  t.same(io.results, [1]);
  const late = new TestIo(2);
  supervisor.io(late);
  t.same(late.results, [], 'never inside io()');
  await settle();
  t.same(late.results, [1]);
  await clock.pass(60_000);
  t.equal(helpers.length, 2);
});

t.test('neither a failed open nor a close is over before the helper is gone', async (t) => {
  const plan = (n: number): SimOptions => (n > 0 ? { ignore: ['OPEN'], lingers: true } : {});
  const outcomes: string[] = [];
  const unnamed = setUp(
    () => ({ lingers: true }),
    () => {
      throw new Error('no such file');
    },
  );
  const opening = unnamed.supervisor.open().catch((thrown: unknown) => {
    outcomes.push(String(thrown));
  });
  await unnamed.clock.pass(1000);
  t.ok(unnamed.helpers[0]?.killedFor);
  t.same(outcomes, []);
  unnamed.helpers[0]?.die('at last', 'SIGKILL');
  await opening;
  t.match(outcomes, [/no such file/]);

  const { supervisor, helpers, clock } = setUp(plan);
  await supervisor.open();
  helpers[0]?.die('gone');
  await clock.pass(0);
  const closing = supervisor.close().then(() => outcomes.push('closed'));
  await clock.pass(1000);
  t.ok(helpers[1]?.killedFor);
  t.equal(outcomes.length, 1);
  helpers[1]?.die('at last', 'SIGKILL');
  await closing;
  t.equal(outcomes.at(-1), 'closed');
});

t.test('a helper that does not close is killed; abandon fails what is in flight', async (t) => {
  const { supervisor, helpers, clock } = setUp(() => ({ ignore: ['CLOSE'] }));
  await supervisor.open();
  const closing = supervisor.close();
  await clock.pass(CALL_TIMEOUT_FACTOR * REQUEST_TIMEOUT_MS);
  await closing;
  t.match(helpers[0]?.killedFor, /did not close/);

  const second = setUp();
  await second.supervisor.open();
  const io = new TestIo(1);
  second.supervisor.io(io);
  await second.supervisor.abandon();
  t.same(io.results, [1]);
});

const QUESTION = { startSector: 0, nrSectors: 128, chunkSectors: 128 };

t.test('a QueryAllocatedBlocks that is refused opens nothing anew', async (t) => {
  const { supervisor, helpers, clock } = setUp(() => ({ refuse: { ALLOCATED_BLOCKS: 16000 } }));
  await supervisor.open();
  const answers: unknown[] = [];
  void supervisor.allocatedBlocks(QUESTION).then((blocks) => answers.push(blocks));
  await clock.pass(5000);
  t.same(answers, [undefined]);
  t.equal(helpers.length, 1);
  await supervisor.close();
});

t.test('they run one at a time, and say nothing about reads', async (t) => {
  const { supervisor, helpers, clock } = setUp((n) =>
    n === 0 ? { ignore: ['ALLOCATED_BLOCKS'] } : {},
  );
  await supervisor.open();
  const answers = [supervisor.allocatedBlocks(QUESTION), supervisor.allocatedBlocks(QUESTION)];
  await settle();
  t.equal(helpers[0]?.calls.filter((call) => call === 'ALLOCATED_BLOCKS').length, 1);
  helpers[0]?.die('gone');
  await clock.pass(0);
  t.same(await Promise.all(answers), [[], []]);
  supervisor.io(new TestIo(8));
  while (helpers.at(-1)!.inFlight[0]?.startSector === 8) {
    helpers.at(-1)!.die('gone');
    await clock.pass(20_000);
  }
  t.not(helpers.at(-1)!.inFlight[0]?.startSector, 0, 'a control read has no good sector to go to');
  await supervisor.close();
});

/** A read that nobody has asked for. */
class Speculative extends TestIo {
  override readonly isSpeculative = true;
}

t.test('a read that nobody has asked for is given up at a death, and is no suspect', async (t) => {
  const { clock, helpers, supervisor } = setUpSupervisor();
  await supervisor.open();
  t.ok(supervisor.hasRoomFor(8));
  const [asked, speculative] = [new TestIo(1), new Speculative(5)];
  supervisor.io(speculative);
  supervisor.io(asked);
  helpers[0]!.die('crash');
  t.notOk(speculative.results.length);
  await clock.pass(1);
  t.same(speculative.results, [1]);
  t.notOk(speculative.suspicion);
  await clock.pass(5000);
  t.same(helpers[1]?.inFlight, [asked]);
  helpers[1]!.answer();
  t.same(asked.results, [0]);
  await supervisor.close();
});

t.test('an error of it opens nothing anew, but for a session that is lost', async (t) => {
  const { clock, helpers, supervisor } = setUpSupervisor();
  await supervisor.open();
  const failed = new Speculative(5);
  supervisor.io(failed);
  helpers[0]!.answer(16000);
  await clock.pass(5000);
  t.same(failed.results, [16000]);
  t.equal(helpers.length, 1);
  const lost = new Speculative(5);
  supervisor.io(lost);
  helpers[0]!.answer(36);
  t.same(lost.results, [36]);
  t.notOk(supervisor.hasRoomFor(8), 'there is no session');
  await clock.pass(5000);
  t.equal(helpers.length, 2);
  t.ok(supervisor.hasRoomFor(8));
  await supervisor.close();
});
