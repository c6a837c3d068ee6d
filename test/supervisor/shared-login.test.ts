// Disks that log in with one account, when the host rejects one of them: what the others do.
import t, { type Test } from 'tap';
import {
  LOGIN_PAUSE_MS,
  LOGIN_REJECTIONS_MAX,
  LOGIN_RETRY_MS,
  RECOVERY_TIMEOUT_MS,
} from '../../src/base/limits.js';
import { Logins } from '../../src/supervisor/logins.js';
import { setUpSupervisor, type SupervisorSetUp, TestIo } from '../lib/sim-supervisor.js';

const LOGIN_REJECTED = 35;
const VM_NOT_FOUND = 4000;
const SERVER_NOT_AVAILABLE = 14015;
/** An error that no session can cure. */
const DISK_FULL = 8;

/** A disk that dies while another one's login has just been rejected for the last time. */
async function dieInPause(t: Test, set: SupervisorSetUp = {}) {
  const logins = new Logins();
  const disk = setUpSupervisor({ ...set, logins });
  await disk.supervisor.open();
  for (let n = 1; n <= LOGIN_REJECTIONS_MAX; n++) {
    logins.rejected((n - LOGIN_REJECTIONS_MAX) * LOGIN_RETRY_MS);
  }
  const io = new TestIo(1);
  disk.supervisor.io(io);
  disk.last().die('was killed by SIGSEGV');
  await disk.clock.pass(LOGIN_PAUSE_MS - 1);
  t.same(io.results, [], 'the host has rejected another, and not this one');
  t.equal(disk.helpers.length, 1, 'it does not ask in the pause');
  return { ...disk, io, logins };
}

t.test('a disk that was not rejected itself waits for its turn, and asks once', async (t) => {
  const rejected = { refuse: { CONNECT: LOGIN_REJECTED } };
  const { supervisor, helpers, clock, io } = await dieInPause(t, {
    plan: (n) => (n > 0 ? rejected : {}),
  });
  await clock.pass(1);
  t.equal(helpers.length, 2);
  t.same(io.results, [1], 'its own rejection ends it');
  await supervisor.close();
});

t.test('it gives up when its time for recovery is over', async (t) => {
  const { supervisor, helpers, clock, io, logins } = await dieInPause(t);
  for (let ms = LOGIN_PAUSE_MS; ms <= RECOVERY_TIMEOUT_MS; ms += 1000) {
    // Others ask all the time.
    logins.begins(clock.nowMs());
    await clock.pass(1000);
  }
  t.equal(helpers.length, 1);
  t.same(io.results, [1]);
  await supervisor.close();
});

t.test('it need not wait for the end of the pause when another one is accepted', async (t) => {
  const { supervisor, helpers, last, clock, io, logins } = await dieInPause(t);
  logins.begins(clock.nowMs());
  logins.accepted();
  await clock.pass(LOGIN_RETRY_MS);
  t.equal(helpers.length, 2);
  last().answer();
  t.same(io.results, [0]);
  await supervisor.close();
});

for (const [what, refuse, isAccepted] of [
  ['finds no machine', { OPEN: VM_NOT_FOUND }, true],
  ['gets no information', { INFO: DISK_FULL }, true],
  ['reaches no server', { OPEN: SERVER_NOT_AVAILABLE }, false],
] as const) {
  t.test(`an open that ${what}: the login was ${isAccepted ? '' : 'not '}accepted`, async (t) => {
    const logins = new Logins();
    const { supervisor, helpers, clock } = setUpSupervisor({
      logins,
      plan: (n) => (n > 0 ? { refuse } : {}),
    });
    await supervisor.open();
    logins.rejected(-LOGIN_RETRY_MS);
    helpers[0]?.die('gone');
    await clock.pass(0);
    t.same(helpers[1]?.calls.includes('OPEN'), true);
    t.equal(logins.leftMs(clock.nowMs()), isAccepted ? 0 : LOGIN_RETRY_MS);
    await supervisor.close();
  });
}
