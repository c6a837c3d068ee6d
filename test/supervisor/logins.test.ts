// A rejected login: three times, ten seconds apart, for all disks of the program together.
import t from 'tap';
import { LOGIN_PAUSE_MS, LOGIN_REJECTIONS_MAX, LOGIN_RETRY_MS } from '../../src/base/limits.js';
import { Logins } from '../../src/supervisor/logins.js';

t.test('it is asked for three times, ten seconds apart, and then no more', (t) => {
  const logins = new Logins();
  t.equal(logins.delayMs(0), 0);
  t.equal(logins.rejected(0), LOGIN_RETRY_MS);
  t.equal(logins.delayMs(4000), LOGIN_RETRY_MS - 4000);
  t.equal(logins.delayMs(LOGIN_RETRY_MS), 0);
  t.equal(logins.rejected(LOGIN_RETRY_MS), LOGIN_RETRY_MS);
  t.equal(logins.rejected(2 * LOGIN_RETRY_MS), undefined);
  t.equal(logins.delayMs(2 * LOGIN_RETRY_MS), undefined);
  t.equal(logins.leftMs(2 * LOGIN_RETRY_MS + 1), LOGIN_PAUSE_MS - 1, 'others wait for their turn');
  t.end();
});

/** So many rejections that it is over, the last at the returned time. */
function reject(logins: Logins): number {
  for (let n = 0; n < LOGIN_REJECTIONS_MAX; n++) logins.rejected(n * LOGIN_RETRY_MS);
  return (LOGIN_REJECTIONS_MAX - 1) * LOGIN_RETRY_MS;
}

t.test('after that once a minute, with one attempt each', (t) => {
  const logins = new Logins();
  const lastMs = reject(logins);
  t.equal(logins.delayMs(lastMs + LOGIN_PAUSE_MS - 1), undefined);
  const nowMs = lastMs + LOGIN_PAUSE_MS;
  t.equal(logins.delayMs(nowMs), 0);
  logins.begins(nowMs);
  t.equal(logins.delayMs(nowMs + 1), undefined, 'not for another disk at the same time');
  t.equal(logins.rejected(nowMs + 2), undefined);
  t.equal(logins.delayMs(nowMs + LOGIN_PAUSE_MS), undefined);
  t.end();
});

t.test('disks that are rejected together are one, and then they take turns', (t) => {
  const logins = new Logins();
  for (let disk = 0; disk < 10; disk++) {
    t.equal(logins.rejected(disk), LOGIN_RETRY_MS, 'a host that fails over is not given up');
  }
  const nowMs = 9 + LOGIN_RETRY_MS;
  t.equal(logins.delayMs(nowMs), 0);
  logins.begins(nowMs);
  t.equal(logins.delayMs(nowMs), LOGIN_RETRY_MS, 'one asks, the others wait for what it gets');
  t.end();
});

t.test('a login that is accepted forgives all', (t) => {
  const logins = new Logins();
  const lastMs = reject(logins);
  logins.accepted();
  t.equal(logins.delayMs(lastMs), 0);
  t.equal(logins.rejected(lastMs), LOGIN_RETRY_MS);
  t.end();
});
