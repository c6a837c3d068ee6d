// How long calls into the library may take, and how a slow library gets there in the end.
import t from 'tap';
import {
  CALL_TIMEOUT_FACTOR,
  QUERY_TIMEOUT_FACTOR,
  START_TIMEOUT_MS_MIN,
} from '../../src/base/limits.js';
import { Deadlines } from '../../src/supervisor/deadlines.js';

t.test('reads and writes have the request timeout, other calls multiples of it', (t) => {
  const deadlines = new Deadlines(1000, 600_000);
  t.equal(deadlines.requestMs, 1000);
  for (const name of ['Read', 'ReadAsync', 'Write', 'WriteAsync']) {
    t.equal(deadlines.ofCall(`VixDiskLib_${name}`), 1000);
  }
  t.equal(deadlines.ofCall('VixDiskLib_QueryAllocatedBlocks'), QUERY_TIMEOUT_FACTOR * 1000);
  for (const name of ['ConnectEx', 'Open', 'Flush', 'Wait', 'Close']) {
    t.equal(deadlines.ofCall(`VixDiskLib_${name}`), CALL_TIMEOUT_FACTOR * 1000);
  }
  t.end();
});

t.test('starting a helper has its time, however short the others are', (t) => {
  t.equal(new Deadlines(500, 600_000).ofCall('VixDiskLib_InitEx'), START_TIMEOUT_MS_MIN);
  t.equal(new Deadlines(500, 600_000).startMs, START_TIMEOUT_MS_MIN);
  t.equal(new Deadlines(25_000, 600_000).startMs, CALL_TIMEOUT_FACTOR * 25_000);
  t.end();
});

t.test('a kill without any completed I/O doubles all of them; progress restores them', (t) => {
  const deadlines = new Deadlines(1000, 600_000);
  deadlines.missed(true);
  t.equal(deadlines.requestMs, 1000, 'something was completed');
  deadlines.missed(false);
  deadlines.missed(false);
  t.equal(deadlines.requestMs, 4000);
  t.equal(deadlines.callMs, 4000 * CALL_TIMEOUT_FACTOR);
  deadlines.progressed(1);
  t.equal(deadlines.requestMs, 1000);
  t.end();
});

t.test('none grows beyond the recovery timeout, and that is at once undone', (t) => {
  const deadlines = new Deadlines(1000, 60_000);
  for (let i = 0; i < 2000; i++) deadlines.missed(false);
  t.equal(deadlines.requestMs, 60_000);
  t.equal(deadlines.callMs, 60_000);
  deadlines.progressed(1);
  t.equal(deadlines.requestMs, 1000);
  t.equal(new Deadlines(25_000, 10_000).requestMs, 25_000, 'but a request has its own');
  t.end();
});

t.test('an I/O that only the doubled deadline allowed leaves it doubled', (t) => {
  const deadlines = new Deadlines(1000, 60_000);
  t.notOk(deadlines.areDoubled);
  deadlines.missed(false);
  deadlines.progressed(1500);
  t.ok(deadlines.areDoubled);
  t.equal(deadlines.requestMs, 2000);
  deadlines.progressed(999);
  t.notOk(deadlines.areDoubled);
  t.end();
});
