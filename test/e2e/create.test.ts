// create=true: every type that the built-in engine makes, through the program, as qemu-img sees it;
// what is there is never overwritten; and a helper that takes over creates nothing.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { CREATE_TYPES } from '../../src/vddk/create.js';
import { makeRaw, qemuVerdict } from '../lib/disks.js';
import { eventually, must, REPO, runServe, SERVED, shortDir, startServer } from '../lib/serve.js';

const MIB = 1 << 20;
/** No whole number of anything; split disks have two extents. */
const sizeOf = (type: string): number => (type.startsWith('split') ? 2100 : 50) * MIB + 3 * 512;

/** What descriptors call the types. */
const NAMES: Record<keyof typeof CREATE_TYPES, string> = {
  'monolithic-sparse': 'monolithicSparse',
  'monolithic-flat': 'monolithicFlat',
  'split-sparse': 'twoGbMaxExtentSparse',
  'split-flat': 'twoGbMaxExtentFlat',
  'vmfs-flat': 'vmfs',
  'stream-optimized': 'streamOptimized',
  'vmfs-thin': 'vmfs',
  'vmfs-sparse': 'vmfsSparse',
};

interface Info {
  'virtual-size': number;
  'format-specific': { data: { 'create-type': string } };
}

for (const [type, name] of Object.entries(NAMES)) {
  t.test(type, async (t) => {
    const dir = shortDir(t);
    const [raw, disk] = [path.join(dir, 'disk.raw'), path.join(dir, 'disk.vmdk')];
    const sizeBytes = sizeOf(type);
    makeRaw(raw, sizeBytes, 12);
    const parameters = ['create=true', `create-size=${sizeBytes}`, `create-type=${type}`];
    const copy = `nbdcopy --destination-is-zero --flush ${raw} "$uri"`;
    const argv = [
      ...parameters,
      'create-adapter-type=ide',
      'create-hwversion=esx65',
      'engine=builtin',
    ];
    const made = await runServe([...argv, disk, '--run', copy]);
    t.match(made, SERVED);

    const info = JSON.parse(await must('qemu-img', ['info', '--output=json', disk])) as Info;
    t.equal(info['virtual-size'], sizeBytes);
    t.equal(info['format-specific'].data['create-type'], name);
    t.match(readFileSync(disk, 'latin1'), /ddb\.adapterType = "ide"[^]*"13"|"13"[^]*"ide"/);
    t.equal(await qemuVerdict(raw, disk), '');
    const map = JSON.parse(
      await must('qemu-img', ['map', '--output=json', '-f', 'vmdk', disk]),
    ) as {
      length: number;
      zero: boolean;
    }[];
    const dataBytes = map.reduce((sum, { length, zero }) => sum + (zero ? 0 : length), 0);
    t.ok(
      dataBytes > 0 && dataBytes < sizeBytes / 2,
      `the rest reads as zeroes: ${dataBytes} bytes of data`,
    );
  });
}

t.test('what is there is left alone', async (t) => {
  const disk = path.join(shortDir(t), 'disk.vmdk');
  writeFileSync(disk, 'precious');
  const argv = ['engine=builtin', 'create=true', 'create-size=1M', disk, '--run', 'true'];
  t.match(await runServe(argv), {
    exitCode: 1,
    stderr: /exists already\. Leave out create=true[^\n]*$/,
  });
  t.equal(readFileSync(disk, 'utf8'), 'precious');
});

t.test('a helper that takes over creates nothing', async (t) => {
  const dir = shortDir(t);
  const [disk, record] = [path.join(dir, 'disk.img'), path.join(dir, 'record')];
  const server = await startServer(
    t,
    [
      ...['create=true', 'create-size=4M', `libdir=${path.join(REPO, 'build/fault')}`],
      ...[disk, '-U', path.join(dir, 'socket')],
    ],
    { env: { FAULT_RECORD: record } },
  );
  const io = (...commands: string[]): Promise<string> =>
    must('qemu-io', ['-f', 'raw', ...commands.flatMap((it) => ['-c', it]), server.uri!]);
  await io('write -P 7 1M 64K', 'flush');
  for (let deaths = 1; deaths <= 2; deaths++) {
    process.kill(server.helper!, 'SIGKILL');
    t.match(await io('read -P 7 1M 64K'), /read 65536/);
    await eventually('a replacement', () => server.stderr.split('replaced').length > deaths);
  }
  const calls = readFileSync(record, 'utf8').split('\n');
  t.equal(calls.filter((line) => line.startsWith('Create.path=')).length, 1);
  t.equal(calls.filter((line) => line.startsWith('Open.path=')).length, 3);
});
