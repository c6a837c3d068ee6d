// Deadlines of calls, also for a front end that was not there when they passed.
import t from 'tap';
import type { Clock } from '../../src/base/clock.js';
import { startDeadline } from '../../src/supervisor/deadline.js';
import { ManualClock } from '../lib/sim-helper.js';

t.test('it is called once, when the time is up', async (t) => {
  const clock = new ManualClock();
  let calls = 0;
  startDeadline(clock, 1000, () => calls++);
  await clock.pass(999);
  t.equal(calls, 0);
  await clock.pass(1);
  t.equal(calls, 1);
  await clock.pass(5000);
  t.equal(calls, 1);
  t.equal(clock.pendingTimers, 0);
});

t.test('cancelled at any time it is not called, and no timer is left', async (t) => {
  for (const atMs of [0, 1, 100, 999]) {
    const clock = new ManualClock();
    const deadline = startDeadline(clock, 1000, () => t.fail('it was cancelled'));
    await clock.pass(atMs);
    deadline.cancel();
    t.equal(clock.pendingTimers, 0);
    await clock.pass(2000);
  }
});

t.test('a front end that was stopped beyond the deadline reads the answer first', (t) => {
  // Its timers fire before anything else when it goes on: one of them, however long it was.
  for (let stepsBefore = 0; stepsBefore < 10; stepsBefore++) {
    let fire: () => void = () => undefined;
    const clock: Clock = {
      nowMs: () => 0,
      after: (_, callback) => {
        fire = callback;
        return { cancel: () => (fire = () => undefined) };
      },
    };
    const deadline = startDeadline(clock, 1000, () => t.fail('a healthy helper is killed'));
    for (let step = 0; step < stepsBefore; step++) fire();
    fire();
    // Here the event loop reads the answer.
    deadline.cancel();
    fire();
  }
  t.end();
});
