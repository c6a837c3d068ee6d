// Proof: the server is killed with SIGKILL while it works. Its helpers are gone within a second,
// and their locks with them: the disk can be opened again at once.
import path from 'node:path';
import t from 'tap';
import { isRunning, run, shortDir, startServer } from '../lib/serve.js';
import { FAULT_LIBDIR, FULL, MIB, sleep, writeRandom } from './rehearsal.js';

const ROUNDS = FULL ? 20 : 3;

t.test('kill -9 of the server', { timeout: 0 }, async (t) => {
  const dir = shortDir(t);
  const image = path.join(dir, 'disk.img');
  writeRandom(image, 64 * MIB);
  let longestMs = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const server = await startServer(
      t,
      [FAULT_LIBDIR, `file=${image}`, '-U', path.join(dir, `socket-${round}`)],
      { env: { FAULT: 'volatile=64M; delay=1ms' } },
    );
    const copy = run('nbdcopy', ['--request-size=65536', image, server.uri!]);
    await sleep(150);
    const { helpers } = server;
    const startMs = performance.now();
    server.signal('SIGKILL');
    while (helpers.some(isRunning) && performance.now() - startMs < 10_000) await sleep(5);
    t.ok(helpers.length > 0 && !helpers.some(isRunning), `${helpers.length} helpers are gone`);
    const lock = await run('flock', ['-w', '10', '-x', image, 'true']);
    t.equal(lock.exitCode, 0, 'the lock is free');
    longestMs = Math.max(longestMs, performance.now() - startMs);
    await copy;
  }
  t.comment(
    `${ROUNDS} kills: helpers and locks were gone after ${longestMs.toFixed(0)} ms at most`,
  );
  if (FULL) t.ok(longestMs < 1000, `${longestMs} ms`);
});
