// Proof: fio writes and verifies at random through a library that forgets what it has not flushed
// and crashes every second or so. Nothing is ever wrong, and the file is right after a clean stop.
import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { run, shortDir, startServer } from '../lib/serve.js';
import { describe, FAULT_LIBDIR, figuresOf, FULL, sleep } from './rehearsal.js';

const RUNTIME_S = FULL ? 300 : 8;
const SIZE_MIB = 256;

t.test('randrw with verify', { timeout: 0 }, async (t) => {
  const dir = shortDir(t);
  const image = path.join(dir, 'disk.img');
  writeFileSync(image, '');
  truncateSync(image, SIZE_MIB * 1024 * 1024);
  const server = await startServer(
    t,
    [FAULT_LIBDIR, `file=${image}`, '-U', path.join(dir, 'socket')],
    { env: { FAULT: 'volatile=1G; late-write=100ms', FAULT_STATE: path.join(dir, 'state') } },
  );
  const fio = [
    ...['--name=verify', '--rw=randrw', `--size=${SIZE_MIB}m`, '--bsrange=4k-64k', '--iodepth=32'],
    ...['--verify=crc32c', '--randseed=7'],
  ];
  const job = [
    ...['--ioengine=nbd', `--uri=${server.uri!}`, '--fsync=64', '--verify_backlog=512'],
    ...['--time_based', `--runtime=${RUNTIME_S}`],
  ];
  const progress = { isOver: false };
  const work = run('fio', [...fio, ...job], { cwd: dir }).finally(() => (progress.isOver = true));
  let kills = 0;
  while (!progress.isOver) {
    await sleep(1000);
    const { helper } = server;
    if (helper === undefined) continue;
    process.kill(helper, 'SIGKILL');
    kills++;
  }
  const result = await work;
  t.equal(result.exitCode, 0, result.stderr.slice(-500));
  // Every block once more, in a known order, to be read from the file itself.
  const whole = ['--name=whole', '--rw=write', `--size=${SIZE_MIB}m`, '--bs=64k', '--iodepth=32'];
  const checked = [...whole, '--verify=crc32c', '--randseed=9'];
  const last = run('fio', [...checked, ...job.slice(0, 2), '--do_verify=0'], { cwd: dir });
  await sleep(300);
  if (server.helper !== undefined) process.kill(server.helper, 'SIGKILL');
  t.equal((await last).exitCode, 0);
  const stop = await server.stop();
  t.comment(`${RUNTIME_S} s, ${kills} kills: ${describe(figuresOf(stop.stderr))}`);
  t.equal(stop.exitCode, 0, stop.stderr.slice(-500));
  const file = ['--ioengine=psync', `--filename=${image}`, '--verify_only'];
  const verdict = await run('fio', [...checked, ...file], { cwd: dir });
  t.equal(verdict.exitCode, 0, `the file: ${verdict.stderr.slice(-500)}`);
});
