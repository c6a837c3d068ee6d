// Our libraries under nbdkit's vddk plugin. NBDKIT is the path of an nbdkit that has it (Debian's
// has not); without it, this is skipped. The built-in engine must serve as it does for us. For the
// fault engine it prints what becomes of the clients, for comparison.
import path from 'node:path';
import t from 'tap';
import { makeEmpty, makeRaw, makeVmdk, qemuVerdict, SUBFORMATS } from '../lib/disks.js';
import { must, REPO, run, shortDir } from '../lib/serve.js';
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

t.test('the built-in engine serves there, too', { skip, timeout: 0 }, async (t) => {
  const dir = shortDir(t);
  const raw = path.join(dir, 'disk.raw');
  makeRaw(raw, 20 * MIB, 10);
  const serving = (disk: string, readOnly: string[], command: string): Promise<string> => {
    const parameters = ['vddk', `libdir=${path.join(REPO, 'build/builtin')}`, `file=${disk}`];
    return must(nbdkit!, [...readOnly, '-U', '-', ...parameters, '--run', command]);
  };
  for (const { name: subformat, writable } of SUBFORMATS) {
    const [disk, copy] = [path.join(dir, `${subformat}.vmdk`), path.join(dir, 'copy')];
    await makeVmdk(raw, disk, subformat);
    const size = await serving(disk, ['-r'], `nbdinfo --size "$uri"; nbdcopy "$uri" ${copy}`);
    t.equal(size, String(20 * MIB), subformat);
    t.ok(sameContent(raw, copy), `${subformat} reads the same`);
    if (!writable) continue;
    await makeEmpty(disk, 20 * MIB, subformat);
    await serving(disk, [], `nbdcopy --flush ${raw} "$uri"`);
    t.equal(await qemuVerdict(raw, disk), '', `${subformat} is written the same`);
  }
});

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
