// When the event loop stays awake for a message, and when it does not bother.
import t from 'tap';
import {
  AWAKE_CALM_COUNT,
  AWAKE_GAP_US,
  AWAKE_SKIPS_CROWDED_MAX,
  AWAKE_SKIPS_CROWDED_MIN,
  AWAKE_SKIPS_MAX,
  AWAKE_US,
} from '../../src/base/limits.js';
import { Expectation } from '../../src/base/expectation.js';

/** A loop that the test turns. */
function setUp() {
  let nowUs = 0;
  let turn: (() => void) | undefined;
  const expectation = new Expectation({
    nowMs: () => nowUs / 1000,
    nextTurn: (callback) => {
      if (turn) throw new Error('one turn at a time');
      turn = callback;
    },
  });
  /** Whether the loop is kept awake. */
  const isAwake = (): boolean => turn !== undefined;
  /** Lets time pass with a turn at its end; returns whether there was one. */
  const pass = (us: number): boolean => {
    nowUs += us;
    const callback = turn;
    turn = undefined;
    callback?.();
    return callback !== undefined;
  };
  /** Expects, and waits as long as the loop stays awake; returns whether it did at all. */
  const inVain = (): boolean => {
    expectation.begin();
    const was = isAwake();
    while (isAwake()) pass(AWAKE_US / 4);
    return was;
  };
  /** How many times it is expected before the loop stays awake for it again. */
  const skips = (): number => {
    for (let count = 0; ; count++) {
      expectation.begin();
      if (isAwake()) return count;
      if (count > 2 * AWAKE_SKIPS_CROWDED_MAX) throw new Error('never');
    }
  };
  return { expectation, isAwake, pass, inVain, skips };
}

t.test('it stays awake until it has come, for a while at most', async (t) => {
  const { expectation, isAwake, pass } = setUp();
  t.notOk(isAwake());
  expectation.begin();
  t.ok(pass(AWAKE_US / 2) && isAwake());
  expectation.came();
  t.ok(pass(1), 'the turn that was asked for');
  t.notOk(isAwake());
  expectation.begin();
  t.ok(pass(AWAKE_US - 1) && isAwake());
  pass(1);
  t.notOk(isAwake());
});

t.test('expected again while it is, it is not waited for any longer', async (t) => {
  const { expectation, isAwake, pass, skips } = setUp();
  for (let vain = 0; vain < 4; vain++) {
    t.equal(skips(), vain === 0 ? 0 : 2 ** (vain - 1), 'ever more seldom');
    t.ok(pass(AWAKE_US / 2) && isAwake());
    expectation.begin();
    t.ok(pass(AWAKE_US / 2 - 1) && isAwake());
    expectation.begin();
    pass(1);
    t.notOk(isAwake(), 'the time is that of the first');
  }
});

t.test('expected again before its turn, it goes on in that', async (t) => {
  const { expectation, isAwake, pass } = setUp();
  for (let n = 0; n < 10; n++) {
    expectation.begin();
    expectation.came();
    expectation.begin();
    t.ok(pass(AWAKE_US / 2) && isAwake());
    expectation.came();
  }
});

t.test('in vain it becomes ever more seldom, and after a success not', async (t) => {
  const { expectation, inVain, skips, pass } = setUp();
  const seen: number[] = [];
  t.ok(inVain());
  for (let n = 0; n < 12; n++) {
    seen.push(skips());
    while (pass(AWAKE_US)) /* in vain again */ ;
  }
  t.same(seen.slice(0, 5), [1, 2, 4, 8, 16]);
  t.equal(seen.at(-1), AWAKE_SKIPS_MAX + 1);
  skips();
  expectation.came();
  pass(1);
  t.equal(skips(), 0);
});

t.test('where others want the processor it is hardly ever tried', async (t) => {
  const { expectation, isAwake, pass, skips } = setUp();
  const lose = (): number => {
    pass(AWAKE_GAP_US + 1);
    t.notOk(isAwake());
    return skips();
  };
  t.equal(skips(), 0);
  t.equal(lose(), AWAKE_SKIPS_CROWDED_MIN);
  t.equal(lose(), 2 * AWAKE_SKIPS_CROWDED_MIN);
  for (let n = 0; n < 9; n++) lose();
  t.equal(lose(), AWAKE_SKIPS_CROWDED_MAX);
  const calm = (count: number): void => {
    for (let n = 0; n < count; n++) {
      expectation.came();
      pass(1);
      expectation.begin();
    }
  };
  calm(AWAKE_CALM_COUNT - 1);
  t.equal(lose(), AWAKE_SKIPS_CROWDED_MAX, 'not yet');
  calm(AWAKE_CALM_COUNT);
  t.equal(lose(), AWAKE_SKIPS_CROWDED_MIN, 'a pause of our own is no crowd');
});
