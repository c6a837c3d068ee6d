// A helper that is killed in the middle of a copy: the client sees a slow reply, nothing else.
import { renameSync } from 'node:fs';
import path from 'node:path';
import { execa } from 'execa';
import t from 'tap';
import { makeEmpty, makeRaw, makeVmdk, qemuVerdict, sameBytes } from '../lib/disks.js';
import { eventually, must, type Server, shortDir, startServer } from '../lib/serve.js';

const SIZE_BYTES = 700 * 1024 * 1024 + 512;

/** Kills the helper whenever a new one has appeared, `times` times; returns how often it did. */
async function killHelpers(server: Server, times: number, going: () => boolean): Promise<number> {
  let kills = 0;
  let last = 0;
  while (kills < times) {
    await eventually('a new helper', () => !going() || (server.helper ?? last) !== last);
    if (!going()) break;
    last = server.helper!;
    // A moment of work, so that something is in flight.
    await new Promise((resolve) => setTimeout(resolve, 60));
    if (!going()) break;
    process.kill(last, 'SIGKILL');
    kills += 1;
  }
  return kills;
}

t.test('kill -9 of the helper while reading', async (t) => {
  const dir = shortDir(t);
  const file = (base: string): string => path.join(dir, base);
  makeRaw(file('in.raw'), SIZE_BYTES, 400);
  await makeVmdk(file('in.raw'), file('disk.vmdk'), 'monolithicSparse');
  const args = ['-r', '-U', file('socket'), file('disk.vmdk'), 'engine=builtin'];
  const server = await startServer(t, args);
  let going = true;
  const copy = execa('nbdcopy', [server.uri!, file('out.raw')], { reject: false });
  void copy.finally(() => (going = false));
  const kills = await killHelpers(server, 2, () => going);
  t.match(await copy, { exitCode: 0 });
  t.ok(kills > 0, `${kills} helpers were killed during the copy`);
  t.ok(await sameBytes(file('in.raw'), file('out.raw')), 'the same bytes');
  const { exitCode, stderr } = await server.stop();
  t.equal(exitCode, 0);
  t.equal(stderr.match(/helper replaced/g)?.length, kills, 'each death is one line in the log');
});

t.test('kill -9 of the helper while writing', async (t) => {
  const dir = shortDir(t);
  const file = (base: string): string => path.join(dir, base);
  makeRaw(file('in.raw'), SIZE_BYTES, 1200);
  await makeEmpty(file('disk.vmdk'), SIZE_BYTES, 'monolithicSparse');
  const args = ['-U', file('socket'), file('disk.vmdk'), 'engine=builtin'];
  const server = await startServer(t, args);
  let going = true;
  const copy = execa('nbdcopy', ['--flush', file('in.raw'), server.uri!], { reject: false });
  void copy.finally(() => (going = false));
  const kills = await killHelpers(server, 2, () => going);
  t.match(await copy, { exitCode: 0 });
  t.ok(kills > 0, `${kills} helpers were killed during the copy`);
  const { exitCode, stderr } = await server.stop();
  t.equal(exitCode, 0);
  t.equal(stderr.match(/helper replaced/g)?.length, kills, 'each death is one line in the log');
  t.equal(await qemuVerdict(file('in.raw'), file('disk.vmdk')), '');
});

t.test('another disk in the place of the one that is served gets no request', async (t) => {
  const dir = shortDir(t);
  const file = (base: string): string => path.join(dir, base);
  const sizeBytes = 1024 * 1024;
  for (const base of ['disk.vmdk', 'other.vmdk']) {
    await makeEmpty(file(base), sizeBytes, 'monolithicSparse');
  }
  const server = await startServer(t, ['-U', file('socket'), file('disk.vmdk'), 'engine=builtin']);
  await must('qemu-io', ['-f', 'raw', '-c', 'write -P 7 0 512', server.uri!]);
  renameSync(file('disk.vmdk'), file('moved.vmdk'));
  renameSync(file('other.vmdk'), file('disk.vmdk'));
  process.kill(server.helper!, 'SIGKILL');
  const readSevens = ['-r', '-f', 'raw', '-c', 'read -P 7 0 512', server.uri!];
  const refused = await execa('qemu-io', readSevens, { reject: false });
  t.match(refused.stdout + refused.stderr, /Input\/output error/, 'an error for all');
  t.match(server.stderr, /another file/);
  renameSync(file('moved.vmdk'), file('disk.vmdk'));
  await eventually('the disk', async () => {
    const { exitCode } = await execa('qemu-io', readSevens, { reject: false });
    return exitCode === 0;
  });
  t.match(await server.stop(), { exitCode: 0 });
});
