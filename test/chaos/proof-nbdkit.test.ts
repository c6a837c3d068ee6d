// For comparison: the same library under nbdkit's vddk plugin. NBDKIT is the path of an nbdkit that
// has it; without it, this is skipped. It prints what becomes of the clients.
import path from 'node:path';
import t from 'tap';
import { REPO, run, shortDir } from '../lib/serve.js';
import { MIB, sameContent, writeRandom } from './rehearsal.js';
import { existsSync } from 'node:fs';

const nbdkit = process.env['NBDKIT'];
const skip = nbdkit === undefined ? 'NBDKIT is not set' : false;

const CASES = [
  { what: 'nothing', faults: '' },
  { what: 'crashes', faults: 'crash=segv p=0.0067 seed=1' },
  { what: 'a hang', faults: 'hang p=0.001 seed=3' },
  { what: 'a lost session', faults: 'session-lost after=200' },
  { what: 'no memory', faults: 'nomem requests=2 bytes=64K; delay=500us' },
];

t.test('what becomes of a client of nbdkit', { skip, timeout: 0 }, async (t) => {
  const dir = shortDir(t);
  const [image, copy] = [path.join(dir, 'disk.img'), path.join(dir, 'copy')];
  writeRandom(image, 64 * MIB);
  for (const { what, faults } of CASES) {
    const libdir = path.join(REPO, 'build/fault');
    const result = await run(
      'timeout',
      [
        ...['-k', '1', '20', nbdkit!, '-r', '-U', '-', 'vddk', `libdir=${libdir}`],
        ...[`file=${image}`, '--run', `nbdcopy --request-size=32768 "$uri" ${copy}`],
      ],
      // It reads from more than one thread at a time.
      { env: { FAULT: `${faults}\nany-thread`, FAULT_STATE: path.join(dir, `state-${what}`) } },
    );
    const isRight = existsSync(copy) && result.exitCode === 0 && sameContent(image, copy);
    const last = result.stderr.trim().split('\n').at(-1) ?? '';
    t.comment(
      `${what}: exit code ${result.exitCode}, ${isRight ? 'the copy is right' : 'no right copy'}` +
        `; ${(result.exitCode ?? 124) === 124 ? 'still waiting after 20 s' : last}`,
    );
    t.equal(isRight, faults === '', what);
  }
});
