// Tells a dead or stopped helper process from a busy one: it must answer a PING now and then. A
// library that is stuck does not fail this test, the helper answers for it.
// The rule: silence is counted in ticks of ours, not in time, so that a front end that was itself
// suspended or late gives a healthy helper the chance to be heard first.
import type { Clock, Timer } from '../base/clock.js';
import { HEARTBEAT_INTERVAL_MS, HEARTBEAT_TIMEOUT_MS } from '../base/limits.js';
import type { Helper } from '../helper/helper.js';

const TICKS_MAX = HEARTBEAT_TIMEOUT_MS / HEARTBEAT_INTERVAL_MS;

/** Starts pinging `helper`; kills it after HEARTBEAT_TIMEOUT_MS of silence. Cancel to stop. */
export function startHeartbeat(helper: Helper, clock: Clock): Timer {
  let silentTicks = 0;
  let timer: Timer;
  const heard = (): void => {
    silentTicks = 0;
  };
  const tick = (): void => {
    if (silentTicks === 0) {
      // A rejected ping means that the helper ended; its own `ended` tells the supervisor.
      helper.call('PING', {}).then(heard, heard);
    }
    silentTicks++;
    if (silentTicks > TICKS_MAX) {
      helper.kill(`gave no heartbeat for ${String(HEARTBEAT_TIMEOUT_MS / 1000)} s`);
      return;
    }
    timer = clock.after(HEARTBEAT_INTERVAL_MS, tick);
  };
  timer = clock.after(HEARTBEAT_INTERVAL_MS, tick);
  return {
    cancel: () => {
      timer.cancel();
    },
  };
}
