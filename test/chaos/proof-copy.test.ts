// Proof: a disk is copied from a library that crashes or hangs all the time. The client's exit code
// is 0, the bytes are the same, and no request fails.
import path from 'node:path';
import t from 'tap';
import { runServe, shortDir } from '../lib/serve.js';
import { describe, FAULT_LIBDIR, figuresOf, FULL, MIB, writeRandom } from './rehearsal.js';
import { sameContent, UNCACHED } from './rehearsal.js';

const DISK_BYTES = (FULL ? 1024 : 24) * MIB;

const copies = [
  {
    name: 'nbdcopy of small requests, a crash in about 150 operations',
    command: 'nbdcopy --request-size=32768',
    rounds: 1,
    faults: 'crash=segv p=0.0067 seed=1',
    args: UNCACHED,
    deathsMin: FULL ? 150 : 2,
  },
  {
    name: 'qemu-img convert, a crash in about 15 operations',
    command: 'qemu-img convert -f raw -O raw',
    // It asks for 2 MiB at a time, so one copy has too few operations to say much.
    rounds: FULL ? 6 : 1,
    faults: 'crash=abort p=0.0667 seed=2',
    args: [],
    deathsMin: FULL ? 100 : 0,
  },
  {
    name: 'nbdcopy of small requests, a hang now and then',
    command: 'nbdcopy --request-size=32768',
    rounds: 1,
    faults: `hang p=${FULL ? 0.001 : 0.003} seed=3`,
    args: ['--request-timeout=500ms', ...UNCACHED],
    deathsMin: FULL ? 20 : 1,
  },
];

for (const { name, command, rounds, faults, args, deathsMin } of copies) {
  t.test(name, { timeout: 0 }, async (t) => {
    const dir = shortDir(t);
    const [image, copy] = [path.join(dir, 'disk.img'), path.join(dir, 'copy')];
    writeRandom(image, DISK_BYTES);
    const once = `rm -f ${copy}; ${command} "$uri" ${copy} && cmp ${image} ${copy}`;
    const run = `for n in $(seq ${rounds}); do ${once} || exit 1; done`;
    const result = await runServe(
      ['-r', FAULT_LIBDIR, `file=${image}`, ...args, '-U', '-', '--run', run],
      {
        env: { FAULT: faults, FAULT_STATE: path.join(dir, 'state') },
        timeout: 3_600_000,
      },
    );
    const figures = figuresOf(result.stderr);
    t.comment(`${rounds} x ${DISK_BYTES / MIB} MiB: ${describe(figures)}`);
    t.equal(result.exitCode, 0, result.stderr.slice(-500));
    t.ok(sameContent(image, copy), 'the same bytes');
    t.ok(figures.replacedMs.length >= deathsMin, `${figures.replacedMs.length} deaths`);
    t.equal(figures.convicted, 0);
  });
}
