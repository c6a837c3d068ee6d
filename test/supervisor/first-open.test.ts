// The first open: what is told at once, what is tried again, and for how long.
import t from 'tap';
import { LOGIN_RETRY_MS, START_ATTEMPTS_MAX, START_RETRY_MS } from '../../src/base/limits.js';
import { silentLog } from '../../src/base/log.js';
import { HelperCallError } from '../../src/helper/helper.js';
import { firstOpen, OpenFailure } from '../../src/supervisor/first-open.js';
import { LibraryVoice } from '../../src/supervisor/library-voice.js';
import { Logins } from '../../src/supervisor/logins.js';
import { vixErrorPolicy } from '../../src/vddk/errors.js';
import { ManualClock, settle, SimHelper, type SimOptions } from '../lib/sim-helper.js';

const FILE_NOT_FOUND = 4;
const LOGIN_REJECTED = 35;
const SERVER_NOT_AVAILABLE = 14015;

/** Opens with as many helpers as it takes; `plan` says what the n-th is like, from 0. */
function setUp(plan: (n: number) => SimOptions, logins = new Logins()) {
  const clock = new ManualClock();
  const helpers: SimHelper[] = [];
  const voice = new LibraryVoice('/disk.vmdk', silentLog);
  voice.collect();
  const attempt = () => {
    const helper = new SimHelper(
      {
        event: (event) => {
          voice.event(event);
        },
      },
      plan(helpers.length),
    );
    helpers.push(helper);
    const facts = helper.call('OPEN').then(async ({ transportMode }) => {
      const [hello, info] = [await helper.call('HELLO'), await helper.call('INFO')];
      return { hello, info, transportMode };
    });
    return { helper, facts };
  };
  const notes: string[] = [];
  const options = {
    clock,
    errors: vixErrorPolicy,
    logins,
    note: (text: string) => notes.push(text),
    random: () => 1,
    voice,
  };
  const outcome: { facts?: unknown; failure?: unknown } = {};
  void firstOpen(attempt, options).then(
    (facts) => (outcome.facts = facts),
    (failure: unknown) => (outcome.failure = failure),
  );
  /** What it rejected with. */
  const failure = (): OpenFailure | undefined =>
    outcome.failure instanceof OpenFailure ? outcome.failure : undefined;
  return { clock, helpers, notes, outcome, failure };
}

t.test('the first helper that gets there is it', async (t) => {
  const { helpers, outcome } = setUp(() => ({}));
  await settle();
  t.match(outcome.facts, { transportMode: 'file', info: { capacitySectors: 2048 } });
  t.equal(helpers[0]?.killedFor, undefined);
});

t.test('what the user must mend is told at once, with the words of the library', async (t) => {
  const { clock, helpers, notes, failure } = setUp(() => ({ refuse: { OPEN: FILE_NOT_FOUND } }));
  helpers[0]?.listener.event({ name: 'log', level: 'warning', text: 'no such file', dropped: 0 });
  await clock.pass(0);
  t.same(failure()?.libraryLines, ['no such file']);
  t.ok(failure()?.cause instanceof HelperCallError);
  t.ok(helpers[0]?.killedFor);
  t.equal(helpers.length, 1);
  t.same(notes, []);
});

t.test('a crash is tried again, so often and no more', async (t) => {
  const { clock, helpers, failure } = setUp(() => ({ ignore: ['OPEN'] }));
  for (let n = 0; n < START_ATTEMPTS_MAX; n++) {
    t.equal(failure(), undefined);
    t.equal(helpers.length, n + 1);
    const line = { name: 'log', level: 'warning', text: `crash ${n}`, dropped: 0 } as const;
    helpers[n]?.listener.event(line);
    helpers[n]?.die('was killed by SIGSEGV');
    await clock.pass(START_RETRY_MS / 4);
  }
  t.match(failure()?.message, /SIGSEGV/);
  t.same(failure()?.libraryLines, [`crash ${START_ATTEMPTS_MAX - 1}`], 'of the last attempt');
  t.equal(helpers.length, START_ATTEMPTS_MAX);
  t.equal(clock.pendingTimers, 0);
});

t.test('a crash that does not come again is only told', async (t) => {
  const { clock, helpers, notes, outcome } = setUp((n) => (n === 0 ? { ignore: ['OPEN'] } : {}));
  helpers[0]?.die('was killed by SIGABRT', 'SIGABRT');
  await clock.pass(0);
  t.ok(outcome.facts);
  t.match(notes, [/SIGABRT; it is started again, 3 times at most$/]);
});

t.test('our own kill is no crash, nor is a helper that finds our frames wrong', async (t) => {
  const late = setUp(() => ({ ignore: ['OPEN'] }));
  late.helpers[0]?.kill('gave no answer to OPEN');
  await late.clock.pass(START_RETRY_MS);
  t.match(late.failure()?.message, /no answer/);
  t.equal(late.helpers.length, 1);

  for (const [exitCode, attempts] of [
    [71, 1],
    [1, START_ATTEMPTS_MAX],
    [0, 1],
  ] as const) {
    const ended = setUp(() => ({ ignore: ['OPEN'] }));
    for (let n = 0; n < START_ATTEMPTS_MAX; n++) {
      ended.helpers[n]?.die(`exited with status ${exitCode}`, undefined, exitCode);
      await ended.clock.pass(START_RETRY_MS / 4);
    }
    t.equal(ended.helpers.length, attempts, `exit code ${exitCode}`);
    t.ok(ended.failure());
  }
});

t.test('a host that is just restarting is asked again for a while', async (t) => {
  const { clock, helpers, notes, failure } = setUp(() => ({
    refuse: { OPEN: SERVER_NOT_AVAILABLE },
  }));
  await clock.pass(START_RETRY_MS / 2);
  const line = /failed with VixError 14015 .*which may pass: it is tried again for 20 s$/;
  t.match(notes, [line], 'once');
  t.equal(failure(), undefined);
  t.ok(helpers.length > 2, `${helpers.length} attempts`);
  await clock.pass(START_RETRY_MS);
  t.ok(failure());
  const attempts = helpers.length;
  await clock.pass(START_RETRY_MS);
  t.equal(helpers.length, attempts);
  t.ok(helpers.every(({ killedFor }) => killedFor !== undefined));
});

t.test('a rejected login is told at once, and no other disk asks for a while', async (t) => {
  const logins = new Logins();
  const first = setUp(() => ({ refuse: { OPEN: LOGIN_REJECTED } }), logins);
  await first.clock.pass(0);
  t.ok(first.failure());
  const second = setUp(() => ({}), logins);
  await second.clock.pass(0);
  t.match(second.failure()?.message, /rejected the login of another disk/);
  t.equal(second.helpers.length, 0, 'no helper, no login');
  logins.accepted();
  const third = setUp(() => ({}), logins);
  await third.clock.pass(0);
  t.ok(third.outcome.facts);
});

t.test('ten seconds after a rejection one disk asks, none beside it, all after it', async (t) => {
  const logins = new Logins();
  logins.rejected(-LOGIN_RETRY_MS);
  const asking = setUp(() => ({ ignore: ['OPEN'] }), logins);
  const beside = setUp(() => ({}), logins);
  await beside.clock.pass(0);
  t.same([asking.helpers.length, beside.helpers.length], [1, 0]);
  t.match(beside.failure()?.message, /rejected the login of another disk/);

  const forgiving = new Logins();
  forgiving.rejected(-LOGIN_RETRY_MS);
  for (let disk = 0; disk < 2; disk++) {
    const { clock, outcome } = setUp(() => ({}), forgiving);
    await clock.pass(0);
    t.ok(outcome.facts, 'the host has accepted us again');
  }
});

t.test('no attempt begins before the helper of the last one is gone', async (t) => {
  const { clock, helpers, failure } = setUp(() => ({
    refuse: { OPEN: SERVER_NOT_AVAILABLE },
    lingers: true,
  }));
  await clock.pass(START_RETRY_MS);
  t.ok(helpers[0]?.killedFor);
  t.equal(helpers.length, 1);
  t.equal(failure(), undefined, 'nor is anything said');
  helpers[0]?.die('at last', 'SIGKILL');
  await clock.pass(0);
  t.equal(helpers.length, 2);
});
