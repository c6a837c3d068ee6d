// Restart: at once the first time, then backoff with jitter, then an end.
import t from 'tap';
import { RESTART_BACKOFF_MAX_MS, RESTART_BACKOFF_MIN_MS } from '../../src/base/limits.js';
import { RestartPolicy } from '../../src/supervisor/restart-policy.js';

t.test('the first death is answered at once, later ones later and later', (t) => {
  const policy = new RestartPolicy(() => 1, 60_000);
  t.equal(policy.failed(0), 0);
  t.equal(policy.failed(0), RESTART_BACKOFF_MIN_MS);
  t.equal(policy.failed(0), 2 * RESTART_BACKOFF_MIN_MS);
  for (let i = 0; i < 40; i++) policy.failed(0);
  t.equal(policy.failed(0), RESTART_BACKOFF_MAX_MS, 'and no later than the maximum');
  t.end();
});

t.test('jitter takes away up to half', (t) => {
  const policy = new RestartPolicy(() => 0, 60_000);
  policy.failed(0);
  t.equal(policy.failed(0), RESTART_BACKOFF_MIN_MS / 2);
  t.end();
});

t.test('a completed I/O makes the next death a first one', (t) => {
  const policy = new RestartPolicy(() => 1, 60_000);
  policy.failed(0);
  policy.failed(1);
  policy.progressed();
  t.equal(policy.failed(59_999), 0);
  t.not(policy.failed(60_001), undefined, 'and restarts the clock of giving up');
  t.end();
});

t.test('without progress it ends after the recovery timeout', (t) => {
  const policy = new RestartPolicy(() => 1, 60_000);
  policy.failed(5_000);
  t.type(policy.failed(64_999), 'number');
  t.equal(policy.failed(65_000), undefined);
  t.end();
});

t.test('a first request after idle time restarts the clock of giving up', (t) => {
  const policy = new RestartPolicy(() => 1, 60_000);
  policy.awaited(0);
  t.notOk(policy.failing);
  policy.failed(1_000);
  t.ok(policy.failing);
  policy.awaited(70_000);
  t.type(policy.failed(129_999), 'number');
  t.equal(policy.failed(130_000), undefined);
  t.end();
});

t.test('a new attempt after giving up has all the time again', (t) => {
  const policy = new RestartPolicy(() => 1, 60_000);
  policy.failed(0);
  t.equal(policy.failed(60_000), undefined);
  policy.renewed();
  t.notOk(policy.failing);
  t.equal(policy.failed(100_000), 0, 'at once');
  t.type(policy.failed(159_999), 'number');
  t.end();
});
