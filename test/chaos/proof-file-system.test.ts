// Proof: a file system on a disk whose library forgets and crashes. nbdfuse shows the disk as a
// file, ext4 is mounted from it, files are written through crashes, unmounted, checked, and read
// again. It takes root and loop devices; where those are missing it is skipped, and says so.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import t from 'tap';
import { eventually, must, run, shortDir, startServer } from '../lib/serve.js';
import { describe, FAULT_LIBDIR, figuresOf, FULL, MIB, writeRandom } from './rehearsal.js';

const mayMount =
  process.getuid?.() === 0 &&
  existsSync('/dev/fuse') &&
  spawnSync('losetup', ['-f']).status === 0 &&
  spawnSync('nbdfuse', ['--version']).status === 0 &&
  spawnSync('mkfs.ext4', ['-V']).status === 0;
const skip = mayMount ? false : 'this needs root, loop devices, nbdfuse and mkfs.ext4';

t.test('ext4 over nbdfuse', { skip, timeout: 0 }, async (t) => {
  const dir = shortDir(t);
  const file = (base: string): string => path.join(dir, base);
  writeFileSync(file('disk.img'), '');
  truncateSync(file('disk.img'), 1024 * MIB);
  const server = await startServer(
    t,
    [FAULT_LIBDIR, `file=${file('disk.img')}`, '-U', file('socket')],
    {
      env: {
        FAULT: 'volatile=1G; late-write=100ms; crash=segv p=0.005 seed=21',
        FAULT_STATE: file('state'),
      },
    },
  );
  mkdirSync(file('fuse'));
  mkdirSync(file('mnt'));
  writeRandom(file('payload'), (FULL ? 200 : 24) * MIB);
  const fuse = execa('nbdfuse', [file('fuse/nbd'), server.uri!], { reject: false });
  t.teardown(() => spawnSync('umount', ['-l', file('fuse')]));
  t.teardown(() => spawnSync('umount', ['-l', file('mnt')]));
  await eventually('the file of nbdfuse', () => existsSync(file('fuse/nbd')));
  await must('mkfs.ext4', ['-q', '-F', file('fuse/nbd')]);
  for (let round = 0; round < (FULL ? 4 : 1); round++) {
    await must('mount', ['-o', 'loop', file('fuse/nbd'), file('mnt')]);
    await must('cp', [file('payload'), file(`mnt/copy-${round}`)]);
    await must('sync', ['-f', file('mnt')]);
    if (round > 1) await must('rm', [file(`mnt/copy-${round - 2}`)]);
    await must('umount', [file('mnt')]);
    await must('mount', ['-o', 'loop,ro', file('fuse/nbd'), file('mnt')]);
    const same = await run('cmp', [file('payload'), file(`mnt/copy-${round}`)]);
    t.equal(same.exitCode, 0, same.stdout);
    await must('umount', [file('mnt')]);
  }
  await must('umount', [file('fuse')]);
  await fuse;
  const stop = await server.stop();
  const figures = figuresOf(stop.stderr);
  t.comment(describe(figures));
  t.equal(stop.exitCode, 0, stop.stderr.slice(-500));
  t.ok(figures.replacedMs.length > 0, 'helpers died');
  const check = await run('e2fsck', ['-fn', file('disk.img')]);
  t.equal(check.exitCode, 0, check.stdout);
});
