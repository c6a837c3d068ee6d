// Proof: a sector that kills the library whenever it is touched. Reads of it fail, everything else
// succeeds, meanwhile and after; another disk notices nothing. An acknowledged write that can't be
// repeated is lost: reads of it and flushes fail, and the exit code is 1. Chance convicts nobody.
import path from 'node:path';
import t from 'tap';
import { must, run, runServe, shortDir, startServer } from '../lib/serve.js';
import {
  describe,
  FAULT_LIBDIR,
  figuresOf,
  FULL,
  MIB,
  writeRandom,
  UNCACHED,
} from './rehearsal.js';

const io = (uri: string, ...commands: string[]) =>
  run('qemu-io', ['-r', '-f', 'raw', ...commands.flatMap((command) => ['-c', command]), uri]);

t.test('reads', { timeout: 0 }, async (t) => {
  const dir = shortDir(t);
  const image = path.join(dir, 'bad.img');
  const other = path.join(dir, 'good.img');
  for (const file of [image, other]) writeRandom(file, 8 * MIB);
  const server = await startServer(
    t,
    [
      ...[FAULT_LIBDIR, '-r', '-U', path.join(dir, 'socket')],
      ...['--export', `bad=${image}`, '--export', `good=${other}`],
    ],
    { env: { FAULT: 'crash=segv sector=4096 disk=bad.img' } },
  );
  const uri = (name: string): string => server.uri!.replace(/\/\/\/[^?]*/, `///${name}`);
  const bad = io(uri('bad'), 'read 2M 4k');
  const [meanwhile, others] = await Promise.all([
    io(uri('bad'), 'read 0 1M', 'read 4M 64k', 'read 1M 512k'),
    io(uri('good'), 'read 0 8M'),
  ]);
  t.not((await bad).exitCode, 0, 'the poisoned sector');
  t.equal(meanwhile.exitCode, 0, `everything else: ${meanwhile.stdout}${meanwhile.stderr}`);
  t.equal(others.exitCode, 0, 'another disk');
  const after = await io(uri('bad'), 'read 0 2M', 'read 2101248 4M');
  t.equal(after.exitCode, 0, `around it, after: ${after.stdout}`);
  const again = await io(uri('bad'), 'read 2M 4k');
  t.not(again.exitCode, 0);
  const { stderr, exitCode } = await server.stop();
  t.comment(describe(figuresOf(stderr)));
  t.equal(exitCode, 0);
  t.notMatch(stderr, /good.img: helper replaced/);
});

t.test('an acknowledged write', { timeout: 0 }, async (t) => {
  const dir = shortDir(t);
  const image = path.join(dir, 'disk.img');
  writeRandom(image, 8 * MIB);
  const rules = path.join(dir, 'rules');
  const server = await startServer(
    t,
    [FAULT_LIBDIR, `file=${image}`, '-U', path.join(dir, 'socket')],
    { env: { FAULT: 'volatile=64M', FAULT_FILE: rules } },
  );
  const session = [
    'import os, signal, subprocess, time',
    'h.pwrite(b"x" * 4096, 1 << 20)',
    `open("${rules}.new", "w").write("crash=segv sector=2048 at=WriteAsync")`,
    `os.rename("${rules}.new", "${rules}")`,
    `os.kill(${server.helper!}, signal.SIGKILL)`,
    `def fails(what):
  try: what()
  except nbd.Error as e: return e.errnum == 5
  return False`,
    'assert fails(lambda: h.flush()), "flush"',
    'assert fails(lambda: h.pread(512, 1 << 20)), "read of what is lost"',
    'assert len(h.pread(65536, 0)) == 65536',
    'assert fails(lambda: h.pwrite(b"y" * 512, 4 << 20, nbd.CMD_FLAG_FUA)), "FUA elsewhere"',
  ];
  const args = session.flatMap((line) => ['-c', line]);
  await must('nbdsh', ['-u', server.uri!, ...args], {
    env: { PATH: `/usr/bin:${process.env['PATH'] ?? ''}` },
  });
  const { stderr, exitCode } = await server.stop();
  t.comment(describe(figuresOf(stderr)));
  t.equal(exitCode, 1);
  t.match(stderr, /lost: 4096 bytes at offset 1048576/);
});

t.test('chance convicts nobody', { timeout: 0 }, async (t) => {
  const dir = shortDir(t);
  const image = path.join(dir, 'disk.img');
  const sizeMib = FULL ? 1024 : 16;
  writeRandom(image, sizeMib * MIB);
  const copy = `nbdcopy --request-size=32768 "$uri" null:`;
  const flags = ['-r', ...UNCACHED, '-U', '-', '--run', copy];
  const result = await runServe([FAULT_LIBDIR, `file=${image}`, ...flags], {
    env: { FAULT: 'crash=segv p=0.035 seed=11', FAULT_STATE: path.join(dir, 'state') },
    timeout: 3_600_000,
  });
  const figures = figuresOf(result.stderr);
  t.comment(describe(figures));
  t.equal(result.exitCode, 0);
  t.equal(figures.convicted, 0);
  if (FULL) t.ok(figures.replacedMs.length >= 900, `${figures.replacedMs.length} deaths`);
});
