// The spare helper: when there is one, who gets it, and that nobody waits for it.
import t from 'tap';
import { SPARE_RETRY_MS, SPARE_START_MS } from '../../src/base/limits.js';
import { Spare } from '../../src/supervisor/spare.js';
import { ManualClock, settle, SimHelper, type SimOptions } from '../lib/sim-helper.js';

const DELAY_MS = 1000;

/** `plan` says what the n-th helper is like. */
function setUp(plan: (n: number) => SimOptions = () => ({})) {
  const clock = new ManualClock();
  const helpers: SimHelper[] = [];
  const notes: string[] = [];
  const spare = new Spare({
    greet: () => {
      const helper = new SimHelper({ event: () => undefined }, plan(helpers.length));
      helpers.push(helper);
      return { helper, hello: helper.call('HELLO') };
    },
    clock,
    note: (text) => notes.push(text),
  });
  return { clock, helpers, notes, spare };
}

t.test('it is made when its time has come, once, and can be taken once', async (t) => {
  const { clock, helpers, spare } = setUp();
  spare.prepare(DELAY_MS);
  spare.prepare(0);
  await clock.pass(DELAY_MS - 1);
  t.equal(spare.take(), undefined, 'there is none yet');
  await clock.pass(1);
  spare.prepare(0);
  await clock.pass(DELAY_MS);
  t.equal(helpers.length, 1, 'one is enough');
  t.equal(spare.take()?.helper, helpers[0]);
  t.equal(spare.take(), undefined);
  await clock.pass(10 * SPARE_RETRY_MS);
  t.equal(helpers.length, 1, 'the next one is asked for');
  spare.prepare(0);
  await clock.pass(0);
  t.equal(spare.take()?.helper, helpers[1]);
});

t.test('one that has just begun is worth a short wait, one that hangs is not', async (t) => {
  const { clock, helpers, spare } = setUp(() => ({ ignore: ['HELLO'] }));
  spare.prepare(0);
  await clock.pass(SPARE_START_MS);
  t.equal(spare.take()?.helper, helpers[0]);
  spare.prepare(0);
  await clock.pass(SPARE_START_MS + 1);
  t.equal(spare.take(), undefined);
});

t.test('one that is ready does not grow old', async (t) => {
  const { clock, helpers, spare } = setUp();
  spare.prepare(0);
  await clock.pass(3_600_000);
  t.equal(spare.take()?.helper, helpers[0]);
});

t.test('one that dies is replaced after a while; one that was taken is not', async (t) => {
  const { clock, helpers, spare } = setUp();
  spare.prepare(0);
  await clock.pass(0);
  helpers[0]?.die('killed by SIGSEGV');
  await clock.pass(SPARE_RETRY_MS - 1);
  t.equal(spare.take(), undefined);
  t.equal(helpers.length, 1);
  await clock.pass(1);
  t.equal(spare.take()?.helper, helpers[1]);
  helpers[1]?.die('at work');
  await clock.pass(10 * SPARE_RETRY_MS);
  t.equal(helpers.length, 2);
});

t.test('one that refuses to be greeted is ended, and noted', async (t) => {
  const { clock, helpers, notes, spare } = setUp((n) => (n === 0 ? { refuse: { HELLO: 4 } } : {}));
  spare.prepare(0);
  await clock.pass(0);
  t.match(helpers[0]?.killedFor, /made ready/);
  t.match(notes, [/the spare helper: .*refused/]);
  await clock.pass(SPARE_RETRY_MS);
  t.equal(spare.take()?.helper, helpers[1]);
});

t.test('stopped, it is gone when that is said, and no other comes', async (t) => {
  const { clock, helpers, spare } = setUp(() => ({ lingers: true }));
  spare.prepare(0);
  await clock.pass(0);
  let isStopped = false;
  const stopping = spare.stop().then(() => (isStopped = true));
  await settle();
  t.ok(helpers[0]?.killedFor);
  t.notOk(isStopped, 'it is still there');
  helpers[0]?.die('at last');
  await stopping;
  spare.prepare(0);
  await clock.pass(10 * SPARE_RETRY_MS);
  t.equal(helpers.length, 1);
  t.equal(clock.pendingTimers, 0);
});
