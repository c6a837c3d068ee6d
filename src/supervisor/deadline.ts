// A deadline for a helper, judged by a front end that may itself be late: stopped, suspended or
// busy. Used for every call that has a deadline; heartbeat.ts counts its own ticks.
// The rule: time is counted in steps of ours, and a verdict falls only after one more turn of the
// event loop, in which an answer that has come meanwhile is read and cancels it.
import type { Clock, Timer } from '../base/clock.js';

const STEPS = 10;

/** Calls `late` once, after `timeoutMs` of which any pause of ours counts as one step at most. */
export function startDeadline(clock: Clock, timeoutMs: number, late: () => void): Timer {
  let stepsLeft = STEPS;
  let timer: Timer;
  const step = (): void => {
    stepsLeft--;
    if (stepsLeft > 0) timer = clock.after(timeoutMs / STEPS, step);
    else timer = clock.after(0, late);
  };
  timer = clock.after(timeoutMs / STEPS, step);
  return {
    cancel: () => {
      timer.cancel();
    },
  };
}
