// QEMU's programs: qemu-img, qemu-io and qemu-storage-daemon. (vm.test.ts has the whole machine.)
import { existsSync } from 'node:fs';
import { execa } from 'execa';
import t from 'tap';
import { sameBytes } from '../lib/disks.js';
import { eventually, must, run } from '../lib/serve.js';
import { MIB, place, serveImage } from './served.js';

const SIZE = 24 * MIB + 3 * 512;

t.test('qemu-img: info, map, convert, compare, dd, bench', async (t) => {
  const { at, empty, image } = place(t);
  const source = image('source', SIZE);
  const from = await serveImage(t, source, ['-r']);
  const to = await serveImage(t, empty('disk', SIZE));
  const info = JSON.parse(await must('qemu-img', ['info', '--output=json', from.uri!])) as unknown;
  t.match(info, { 'virtual-size': SIZE, format: 'raw' });
  const map = JSON.parse(await must('qemu-img', ['map', '--output=json', from.uri!])) as unknown;
  t.match(map, [{ start: 0, data: true }, { data: false, zero: true }, { data: true }]);
  for (const how of [[], ['-W', '-m', '16'], ['-S', '0']]) {
    await must('qemu-img', ['convert', '-n', '-O', 'raw', ...how, from.uri!, to.uri!]);
    t.ok(await sameBytes(source, at('disk')), ['convert', ...how].join(' '));
    await must('qemu-io', ['-f', 'raw', '-c', `write -z 0 ${SIZE}`, to.uri!]);
    t.notOk(await sameBytes(source, at('disk')), 'and zeroed again');
  }
  await must('qemu-img', ['convert', '-O', 'qcow2', '-c', from.uri!, at('copy.qcow2')]);
  t.equal((await run('qemu-img', ['compare', from.uri!, at('copy.qcow2')])).exitCode, 0);
  await must('qemu-img', [
    'dd',
    '-f',
    'raw',
    '-O',
    'raw',
    'bs=1M',
    `if=${from.uri!}`,
    `of=${at('dd')}`,
  ]);
  t.ok(await sameBytes(source, at('dd')));
  const load = ['-f', 'raw', '-c', '2000', '-d', '16', '-s', '3000', '-S', '5000'];
  await must('qemu-img', ['bench', ...load, from.uri!]);
  await must('qemu-img', ['bench', ...load, '-w', '--flush-interval=200', to.uri!]);
  // qemu creates nothing where nobody gives room, but checks that what is there is large enough.
  const small = await run('qemu-img', ['create', '-f', 'raw', to.uri!, String(SIZE)]);
  t.equal(small.exitCode, 0, small.stderr);
  t.match(await to.stop(), { exitCode: 0 });
});

t.test('qemu-io: unaligned, vectored, asynchronous, FUA, and a qcow2 inside', async (t) => {
  const { empty } = place(t);
  const server = await serveImage(t, empty('disk', 8 * MIB));
  const io = async (format: string, ...commands: string[]): Promise<string> => {
    const given = commands.flatMap((command) => ['-c', command]);
    return must('qemu-io', ['-f', format, ...given, server.uri!]);
  };
  const raw = await io(
    'raw',
    'write -P 1 511 2',
    'write -f -P 2 1000001 100000',
    'writev -P 3 2000000 511 513 4096 1',
    'aio_write -P 4 3000000 123457',
    'aio_write -z 3000100 10',
    'aio_flush',
    'flush',
    'read -P 0 0 511',
    'read -P 1 511 2',
    'read -P 0 513 1000',
    'read -P 2 1000001 100000',
    'readv -v -P 3 2000000 511 513',
    'read -P 0 3000100 10',
    'read -P 4 3000110 123347',
  );
  t.notMatch(raw, /failed|error|mismatch/i);
  await must('qemu-img', ['create', '-q', '-f', 'qcow2', server.uri!, '6M']);
  t.notMatch(await io('qcow2', 'write -P 5 1M 3M', 'read -P 5 1M 3M'), /failed/i);
  await must('qemu-img', ['check', server.uri!]);
  t.match(await server.stop(), { exitCode: 0 });
});

t.test('qemu-storage-daemon serves the export again', async (t) => {
  const { at, image } = place(t);
  const source = image('disk', SIZE);
  const server = await serveImage(t, source);
  const daemon = execa(
    'qemu-storage-daemon',
    [
      ...['--blockdev', `driver=nbd,node-name=disk,server.type=unix,server.path=${source}.sock`],
      ...['--nbd-server', `addr.type=unix,addr.path=${at('qsd')}`],
      ...['--export', 'type=nbd,id=e,node-name=disk,name=again,writable=on'],
    ],
    { reject: false },
  );
  t.teardown(() => daemon.kill());
  await eventually('the socket of the daemon', () => existsSync(at('qsd')));
  const uri = `nbd+unix:///again?socket=${at('qsd')}`;
  await must('nbdcopy', ['--connections=4', uri, at('copy')]);
  t.ok(await sameBytes(source, at('copy')));
  const map = (of: string): Promise<string> => must('nbdinfo', ['--map', of]);
  t.equal(await map(uri), await map(server.uri!), 'holes go through');
  const written = ['-c', 'write -P 9 12345 54321', '-c', 'flush', '-c', 'read -P 9 12345 54321'];
  await must('qemu-io', ['-f', 'raw', ...written, uri]);
  daemon.kill();
  await daemon;
  t.match(await server.stop(), { exitCode: 0 });
  const seen = await must('qemu-io', ['-f', 'raw', '-c', 'read -P 9 12345 54321', source]);
  t.notMatch(seen, /failed/);
});
