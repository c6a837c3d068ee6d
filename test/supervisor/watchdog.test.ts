// The watchdog: who is dead, stopped or hanging, and who only looks like it.
import t from 'tap';
import {
  CALL_TIMEOUT_FACTOR,
  HEARTBEAT_INTERVAL_MS,
  HEARTBEAT_INTERVAL_MS_MIN,
  HEARTBEAT_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
} from '../../src/base/limits.js';
import type { CallOp, Calls, PingResult } from '../../src/helper/protocol.js';
import { Deadlines } from '../../src/supervisor/deadlines.js';
import { Watchdog } from '../../src/supervisor/watchdog.js';
import { ManualClock, settle, SimHelper } from '../lib/sim-helper.js';

const IDLE: PingResult = { inCallMs: 0, call: '', oldestIoMs: 0, oldestIo: 0 };

/** It answers with what `now` is, or not at all while `now` is undefined. */
class PingedHelper extends SimHelper {
  now: PingResult | undefined = IDLE;
  pings = 0;
  #late: ((result: PingResult) => void)[] = [];

  override call<Op extends CallOp>(op: Op): Promise<Calls[Op]['result']> {
    if (op !== 'PING') return super.call(op);
    this.pings++;
    if (this.now) return Promise.resolve(this.now as never);
    return new Promise((resolve, reject) => {
      this.#late.push((result) => {
        resolve(result);
      });
      void this.ended.then(() => {
        reject(new Error('it ended'));
      });
    });
  }

  /** The answers that were asked for, after all. */
  wakeUp(now = IDLE): void {
    this.now = now;
    for (const answer of this.#late.splice(0)) answer(now);
  }
}

function setUp(requestTimeoutMs = REQUEST_TIMEOUT_MS) {
  const helper = new PingedHelper({ event: () => undefined });
  const clock = new ManualClock();
  const verdicts: string[] = [];
  const deadlines = new Deadlines(requestTimeoutMs);
  const late = (reason: string) => verdicts.push(reason);
  const watchdog = new Watchdog({ helper, clock, deadlines, late });
  return { helper, clock, verdicts, deadlines, watchdog };
}

t.test('a helper that answers is left alone, and pinged now and then', async (t) => {
  const { helper, clock, verdicts, watchdog } = setUp();
  await clock.pass(60_000);
  t.equal(helper.pings, 60_000 / HEARTBEAT_INTERVAL_MS);
  t.same(verdicts, []);
  watchdog.cancel();
  t.equal(clock.pendingTimers, 0);
});

t.test('a stopped helper is found out, once', async (t) => {
  const { helper, clock, verdicts } = setUp();
  helper.now = undefined;
  await clock.pass(HEARTBEAT_TIMEOUT_MS);
  t.same(verdicts, []);
  await clock.pass(60_000);
  t.match(verdicts, ['gave no heartbeat for 20 s']);
  t.equal(verdicts.length, 1);
  t.equal(helper.pings, 1, 'pings do not pile up');
  t.equal(clock.pendingTimers, 0);
});

t.test('one that goes on before its time is up is well again', async (t) => {
  const { helper, clock, verdicts } = setUp();
  for (let i = 0; i < 5; i++) {
    helper.now = undefined;
    await clock.pass(HEARTBEAT_TIMEOUT_MS - HEARTBEAT_INTERVAL_MS);
    helper.wakeUp();
    await settle();
  }
  t.same(verdicts, [], 'its silence is not summed up');
});

t.test('our own lateness counts as one tick, however long', (t) => {
  // A clock whose timers fire late: an hour passes before each.
  const helper = new PingedHelper({ event: () => undefined });
  helper.now = undefined;
  let fire: () => void = () => undefined;
  let nowMs = 0;
  const clock = {
    nowMs: () => nowMs,
    after: (_: number, callback: () => void) => {
      fire = callback;
      return { cancel: () => undefined };
    },
  };
  const verdicts: string[] = [];
  const late = (reason: string) => verdicts.push(reason);
  const watchdog = new Watchdog({ helper, clock, deadlines: new Deadlines(), late });
  for (let tick = 0; tick < HEARTBEAT_TIMEOUT_MS / HEARTBEAT_INTERVAL_MS; tick++) {
    nowMs += 3_600_000;
    fire();
    t.same(verdicts, []);
  }
  watchdog.cancel();
  t.end();
});

t.test('a hanging request must show in two answers', async (t) => {
  const { helper, clock, verdicts } = setUp();
  helper.now = { ...IDLE, oldestIo: 7, oldestIoMs: REQUEST_TIMEOUT_MS + 1 };
  await clock.pass(HEARTBEAT_INTERVAL_MS);
  t.same(verdicts, [], 'it may have been answered on the way');
  helper.now = { ...IDLE, oldestIo: 7, oldestIoMs: REQUEST_TIMEOUT_MS + 2001 };
  await clock.pass(HEARTBEAT_INTERVAL_MS);
  t.match(verdicts, ['has hung in request 7 for 27.0 s']);
});

t.test('what is answered after it was cancelled is judged no more', async (t) => {
  const { helper, clock, verdicts, watchdog } = setUp();
  const hung = { ...IDLE, oldestIo: 7, oldestIoMs: REQUEST_TIMEOUT_MS + 1 };
  helper.now = hung;
  await clock.pass(HEARTBEAT_INTERVAL_MS);
  helper.now = undefined;
  await clock.pass(HEARTBEAT_INTERVAL_MS);
  t.equal(helper.pings, 2);
  watchdog.cancel();
  helper.wakeUp({ ...hung, oldestIoMs: REQUEST_TIMEOUT_MS + 2001 });
  await settle();
  t.same(verdicts, []);
});

t.test('requests that are late one after another are no hang', async (t) => {
  const { helper, clock, verdicts } = setUp();
  for (let oldestIo = 1; oldestIo < 20; oldestIo++) {
    helper.now = { ...IDLE, oldestIo, oldestIoMs: REQUEST_TIMEOUT_MS + 1000 };
    await clock.pass(HEARTBEAT_INTERVAL_MS);
  }
  t.same(verdicts, []);
  for (const inCallMs of [40_000, 30_000, 26_000]) {
    helper.now = { ...IDLE, call: 'VixDiskLib_Read', inCallMs };
    await clock.pass(HEARTBEAT_INTERVAL_MS);
  }
  t.same(verdicts, [], 'and calls of one name are not one call');
});

t.test('each call has its own deadline, which may have doubled', async (t) => {
  const { helper, clock, verdicts, deadlines } = setUp();
  const callMs = REQUEST_TIMEOUT_MS * CALL_TIMEOUT_FACTOR;
  helper.now = { ...IDLE, call: 'VixDiskLib_Flush', inCallMs: callMs };
  await clock.pass(3 * HEARTBEAT_INTERVAL_MS);
  deadlines.missed(false);
  helper.now = { ...IDLE, call: 'VixDiskLib_Flush', inCallMs: callMs + 1 };
  await clock.pass(3 * HEARTBEAT_INTERVAL_MS);
  t.same(verdicts, []);
  deadlines.progressed(1);
  await clock.pass(2 * HEARTBEAT_INTERVAL_MS);
  t.match(verdicts, [/^has hung in VixDiskLib_Flush for 250\.0 s$/]);
});

t.test('a short deadline is looked at often enough, but not more than that', async (t) => {
  const { helper, clock } = setUp(100);
  await clock.pass(1000);
  t.equal(helper.pings, 1000 / HEARTBEAT_INTERVAL_MS_MIN);
});

t.test('the end of the helper is news from elsewhere', async (t) => {
  const { helper, clock, verdicts } = setUp();
  helper.now = undefined;
  await clock.pass(HEARTBEAT_INTERVAL_MS);
  helper.die('gone');
  await clock.pass(60_000);
  t.same(verdicts, []);
  t.equal(clock.pendingTimers, 0);
});
