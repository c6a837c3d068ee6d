// `make install`: what is installed runs from there, without the tree that it was built in; and
// `make uninstall` takes all of it away.
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { makeEmpty } from '../lib/disks.js';
import { must, REPO, run, shortDir } from '../lib/serve.js';

t.test('install and uninstall', async (t) => {
  const root = path.join(shortDir(t), 'a root');
  const make = (target: string): Promise<string> =>
    must('make', [target, `DESTDIR=${root}`, 'PREFIX=/opt/vddk nbd'], { cwd: REPO });
  const prefix = path.join(root, 'opt/vddk nbd');
  const other = path.join(prefix, 'bin/other');
  mkdirSync(path.dirname(other), { recursive: true });
  writeFileSync(other, '');
  await make('install');

  const program = path.join(prefix, 'bin/vddk-nbd');
  const dir = shortDir(t);
  const disk = path.join(dir, 'disk.vmdk');
  await makeEmpty(disk, 1 << 20, 'monolithicSparse');
  const served = await run(program, ['serve', disk, '--run', 'nbdinfo --size "$uri"'], {
    cwd: dir,
  });
  t.match(served, { exitCode: 0, stdout: '1048576', stderr: /with the built-in engine/ });
  t.match(await run(program, ['check', disk]), { exitCode: 0 });
  const dump = await must(program, ['dump-plugin', 'engine=builtin']);
  t.match(dump, `vddk_dll=${prefix}/lib/vddk-nbd/build/builtin/lib64/libvixDiskLib.so.8`);
  t.notMatch(dump, REPO, 'nothing of the tree that it was built in is used');
  accessSync(path.join(prefix, 'share/man/man1/vddk-nbd.1'), constants.R_OK);
  t.ok(existsSync(path.join(prefix, 'share/doc/vddk-nbd/crashes.md')));
  t.match(await must(program, ['serve', '--help']), /FILE\.vmdk|file=/);
  t.match(await must(program, ['--version']), /^vddk-nbd/);
  t.notOk(existsSync(path.join(prefix, 'lib/vddk-nbd/node_modules')), 'all is in the bundle');
  const licenses = readFileSync(path.join(prefix, 'lib/vddk-nbd/dist/bundle/licenses.txt'), 'utf8');
  for (const name of ['@oclif/core', 'execa', 'msgpackr']) t.match(licenses, `${name} `);

  await make('uninstall');
  const left = readdirSync(prefix, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ name }) => name);
  t.same(left, ['other'], 'only what is not ours');
});
