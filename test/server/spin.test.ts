// The spinner: awake for a moment, and no longer.
import t from 'tap';
import { Spinner } from '../../src/server/spin.js';

/** A spinner whose turns and time the test moves. */
function spinner(): { spin: Spinner; turn: () => boolean; pass: (ms: number) => void } {
  let nowMs = 0;
  const turns: (() => void)[] = [];
  const clock = { nowMs: () => nowMs, after: () => ({ cancel: () => undefined }) };
  return {
    spin: new Spinner(clock, (run) => turns.push(run)),
    turn: () => {
      turns.shift()?.();
      return turns.length > 0;
    },
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

t.test('it stays awake as long as something comes', (t) => {
  const { spin, turn, pass } = spinner();
  t.notOk(turn(), 'it sleeps at first');
  spin.expectSoon();
  for (let i = 0; i < 10; i++) {
    t.ok(turn());
    pass(0.08);
    spin.expectSoon();
  }
  pass(0.2);
  t.notOk(turn(), 'and sleeps when nothing comes');
  t.end();
});

t.test('vain spins become rare', (t) => {
  const { spin, turn, pass } = spinner();
  let spins = 0;
  for (let i = 0; i < 10_000; i++) {
    spin.expectSoon();
    if (turn()) spins++;
    pass(0.2);
    turn();
  }
  t.ok(spins > 10 && spins < 60, `${spins} of 10000`);
  t.end();
});

t.test('one that paid off makes them frequent again', (t) => {
  const { spin, turn, pass } = spinner();
  /** Calls until one spins. */
  const callsToSpin = (): number => {
    for (let calls = 1; ; calls++) {
      spin.expectSoon();
      if (turn()) return calls;
    }
  };
  for (let i = 0; i < 20; i++) {
    callsToSpin();
    pass(0.2);
    turn();
  }
  const calls = callsToSpin();
  t.ok(calls > 100, 'it was skipping');
  spin.expectSoon();
  pass(0.2);
  turn();
  t.equal(callsToSpin(), 2, 'one call is skipped, the next one spins');
  t.end();
});

t.test('one that lost the processor has many skipped', (t) => {
  const { spin, turn, pass } = spinner();
  spin.expectSoon();
  t.ok(turn());
  pass(0.6);
  spin.expectSoon();
  t.notOk(turn(), 'although it paid off');
  let calls = 0;
  do {
    spin.expectSoon();
    calls += 1;
  } while (!turn());
  t.equal(calls, 1025);
  t.end();
});
