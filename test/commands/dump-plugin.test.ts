// dump-plugin as scripts read it, and nbdkit's debug flags.
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { must, REPO, run, RUN, runServe, shortDir } from '../lib/serve.js';

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
  t.equal((await runServe(['--dump-plugin', LIBDIR, '--json'])).stdout, json.stdout);
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

t.test('parameters, as serve takes them', async (t) => {
  const dir = shortDir(t);
  const params = path.join(dir, 'params');
  writeFileSync(params, `${LIBDIR}\n`);
  for (const args of [
    ['dump-plugin', '--params', params],
    ['serve', '--dump-plugin', '--params', params],
  ]) {
    t.match(await run(RUN, args), { exitCode: 0, stdout: /^vddk_dll=.*fault/m }, args.join(' '));
  }
  const some = ['dump-plugin', 'server=vc', 'create=true', LIBDIR];
  t.match(await run(RUN, some), { exitCode: 0 }, 'a disk is not asked for');
  for (const [key, value] of [
    ['config', '/nonexistent'],
    ['libdir', '/nonexistent'],
  ]) {
    t.match(await run(RUN, ['dump-plugin', `${key}=${value}`]), {
      exitCode: 1,
      stdout: '',
      stderr: `error: ${key}=${value}: there is no such file or directory. Check the path.`,
    });
  }
});

t.test('debug flags', async (t) => {
  const served = ['-r', '-v', '-U', '-', '--run', 'true', LIBDIR, path.join(REPO, 'package.json')];
  const info = await runServe(['-D', 'vddk.diskinfo=1', '-D', 'nbdkit.x.y=0', ...served]);
  t.match(info, { exitCode: 0, stderr: /disk info: capacitySectors: \d+/ });
  const mistyped = await runServe(['-D', 'vddk.stat=1', ...served]);
  t.match(mistyped, { exitCode: 1, stderr: /Did you mean vddk\.stats/ });
  t.match((await runServe(['-D', 'vddk.stats', ...served])).stderr, /not NAME=NUMBER/);
});

t.test('libraries that are none', async (t) => {
  const dir = shortDir(t);
  const at = (name: string): string => path.join(dir, name);
  const library = (version: number, ...with_: string[]): Promise<string> =>
    must('gcc', [
      '-shared',
      '-fPIC',
      '-o',
      at(`libvixDiskLib.so.${version}`),
      at('empty.c'),
      ...with_,
    ]);
  writeFileSync(at('empty.c'), 'int nothing;\n');
  await library(7);
  const lacking = await run(RUN, ['dump-plugin', `libdir=${dir}`]);
  t.match(lacking, {
    exitCode: 1,
    stderr: /not VDDK: it lacks VixDiskLib_InitEx, VixDiskLib_Exit,[^\n]*\. Use VDDK 5\.1\.1/,
  });

  // Named as VDDK names its friends: without a path.
  const named = '-Wl,-soname,libfriend.so.3';
  await must('gcc', ['-shared', '-fPIC', named, '-o', at('libfriend.so.3'), at('empty.c')]);
  await library(9, '-Wl,--no-as-needed', at('libfriend.so.3'));
  rmSync(at('libfriend.so.3'));
  writeFileSync(at('libvixDiskLib.so.8'), 'junk');
  rmSync(at('libvixDiskLib.so.7'));
  const broken = await run(RUN, ['dump-plugin', `libdir=${dir}`]);
  t.match(broken, {
    exitCode: 1,
    stderr:
      /so\.9: libfriend\.so\.3: cannot open[^\n]*; \S*so\.8: file too short\. Install the pack/,
  });
  symlinkSync(at('gone'), at('libvixDiskLib.so.5'));
  for (const name of ['libvixDiskLib.so.8', 'libvixDiskLib.so.9']) rmSync(at(name));
  const dangling = await run(RUN, ['dump-plugin', `libdir=${dir}`]);
  t.match(dangling, { exitCode: 1, stderr: /so\.5: cannot open[^\n]*\. Unpack VDDK again/ });
});

t.test('where a library is found', async (t) => {
  const found = path.join(REPO, 'build/fault-90');
  const where = [
    { VDDK_LIBDIR: found },
    { VDDK_LIBDIR: '', LD_LIBRARY_PATH: path.join(found, 'lib64') },
  ];
  for (const env of where) {
    const { stdout } = await run(RUN, ['dump-plugin'], { env });
    t.match(stdout, `vddk_dll=${found}/lib64/libvixDiskLib.so.9`, Object.keys(env).join());
  }
  const elsewhere = { VDDK_LIBDIR: '/usr/share', LD_LIBRARY_PATH: path.join(found, 'lib64') };
  t.match(await run(RUN, ['dump-plugin'], { env: elsewhere }), {
    stdout: `vddk_dll=${found}/lib64/libvixDiskLib.so.9`,
    stderr: /^vddk-nbd: warning: VDDK_LIBDIR is \/usr\/share, but there is no libvixDiskLib[^\n]*$/,
  });
  const asJson = await run(RUN, ['dump-plugin', '--json'], { env: elsewhere });
  t.match(JSON.parse(asJson.stderr), { level: 'warning', text: /^VDDK_LIBDIR is / });
  const env = { VDDK_LIBDIR: found };
  const named = await run(RUN, ['dump-plugin', `libdir=${path.join(REPO, 'build/fault-67')}`], {
    env,
  });
  t.match(named.stdout, /vddk_dll=.*so\.6$/m, 'libdir= is alone if it is given');
});
