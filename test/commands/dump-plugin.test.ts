// dump-plugin as scripts read it, and nbdkit's debug flags.
import path from 'node:path';
import t from 'tap';
import { REPO, run, RUN, runServe } from '../lib/serve.js';

const LIBDIR = `libdir=${path.join(REPO, 'build/fault')}`;

t.test('with a library', async (t) => {
  const { exitCode, stdout } = await run(RUN, ['dump-plugin', LIBDIR]);
  t.equal(exitCode, 0);
  for (const line of [
    'name=vddk',
    'vddk_default_libdir=/usr/lib/vmware-vix-disklib',
    'vddk_has_nfchostport=1',
    'vddk_library_version=8',
    `vddk_dll=${path.join(REPO, 'build/fault/lib64/libvixDiskLib.so.8')}`,
    'vddk_transport_modes=file:nbdssl:nbd',
    'vddk_nbd_engine=vddk',
    'VixDiskLib_QueryAllocatedBlocks=1',
  ]) {
    t.ok(stdout.split('\n').includes(line), line);
  }
  const json = await run(RUN, ['dump-plugin', LIBDIR, '--json']);
  const keys = Object.entries(JSON.parse(json.stdout) as object);
  t.equal(keys.map(([key, value]) => `${key}=${value}`).join('\n'), stdout.trim());
  t.equal((await runServe(['--dump-plugin', LIBDIR])).stdout, stdout);
});

t.test('without one', async (t) => {
  const env = { VDDK_LIBDIR: '', LD_LIBRARY_PATH: '' };
  const none = await run(RUN, ['dump-plugin'], { env });
  t.match(none, { exitCode: 0, stdout: /^vddk_default_libdir=/m });
  t.notMatch(none.stdout, /vddk_dll/);
  const named = await run(RUN, ['dump-plugin', 'libdir=/usr'], { env });
  t.match(named, { exitCode: 1, stdout: '', stderr: /^vddk-nbd: error: no libvixDiskLib.*$/ });
  const builtin = await run(RUN, ['dump-plugin', 'engine=builtin'], { env });
  t.match(builtin, { exitCode: 0, stdout: /^vddk_dll=.*builtin/m });
});

t.test('debug flags', async (t) => {
  const served = ['-r', '-v', '-U', '-', '--run', 'true', LIBDIR, path.join(REPO, 'package.json')];
  const info = await runServe(['-D', 'vddk.diskinfo=1', '-D', 'nbdkit.x.y=0', ...served]);
  t.match(info, { exitCode: 0, stderr: /disk info: capacitySectors: \d+/ });
  const mistyped = await runServe(['-D', 'vddk.stat=1', ...served]);
  t.match(mistyped, { exitCode: 1, stderr: /Did you mean vddk\.stats/ });
  t.match((await runServe(['-D', 'vddk.stats', ...served])).stderr, /not NAME=NUMBER/);
});
