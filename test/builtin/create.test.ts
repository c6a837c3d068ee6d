// Create: every kind of disk that it makes is an image for qemu and for libvmdk, of the size asked
// for; what it can't make is refused with a reason; and nothing half-made stays behind.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { must } from '../lib/serve.js';
import { tool, tryTool } from './tool.js';

/** What VixDiskLib_Create calls a type, what its descriptor says, and its files. */
const TYPES = [
  { type: 1, createType: 'monolithicSparse', libvmdk: 'Monolithic sparse', files: [''] },
  { type: 2, createType: 'monolithicFlat', libvmdk: 'Monolithic flat', files: ['', '-flat'] },
  {
    type: 3,
    createType: 'twoGbMaxExtentSparse',
    libvmdk: '2GB extent sparse',
    files: ['', '-s001', '-s002'],
  },
  {
    type: 4,
    createType: 'twoGbMaxExtentFlat',
    libvmdk: '2GB extent flat',
    files: ['', '-f001', '-f002'],
  },
  { type: 5, createType: 'vmfs', libvmdk: 'VMFS flat', files: ['', '-flat'] },
  { type: 6, createType: 'streamOptimized', libvmdk: 'Stream optimized', files: [''] },
  { type: 7, createType: 'vmfs', libvmdk: 'VMFS flat', files: ['', '-flat'] },
  { type: 8, createType: 'vmfsSparse', libvmdk: 'VMFS sparse', files: ['', '-delta'] },
];

/** 3 GiB and a bit: two extents where there can be. */
const SECTORS = 6_291_463;
const ADAPTERS = ['', 'ide', 'buslogic', 'lsilogic'];

const create = (file: string, type: number, sectors: number, adapter = 3, hwVersion = 0) =>
  tryTool(file, 'create', ...[type, sectors, adapter, hwVersion].map(String));

for (const { type, createType, libvmdk, files } of TYPES) {
  t.test(`type ${type}: ${createType}`, async (t) => {
    const dir = t.testdir({});
    const file = path.join(dir, 'disk.vmdk');
    const adapter = 1 + (type % 3);
    t.match(await create(file, type, SECTORS, adapter, 9), { exitCode: 0, stderr: '' });
    t.same(
      readdirSync(dir).sort(),
      files.map((suffix) => `disk${suffix}.vmdk`).sort(),
      'its files',
    );
    const qemu = JSON.parse(await must('qemu-img', ['info', '--output=json', file])) as {
      'virtual-size': number;
      'format-specific': { data: { 'create-type': string } };
    };
    t.equal(qemu['virtual-size'], SECTORS * 512);
    t.equal(qemu['format-specific'].data['create-type'], createType);
    await must('qemu-img', ['check', '-f', 'vmdk', file]);
    const seen = await must('vmdkinfo', [file]);
    t.match(seen, new RegExp(`Disk type:\\s+${libvmdk}\\n`));
    t.match(seen, new RegExp(`Media size:.*\\(${SECTORS * 512} bytes\\)`));
    const text = readFileSync(file, 'latin1');
    t.match(text, `ddb.adapterType = "${ADAPTERS[adapter]!}"`);
    t.match(text, 'ddb.virtualHWVersion = "9"');
    t.match(text, /ddb\.uuid = "60 00 C2 9[0-9a-f]( [0-9a-f]{2}){4}-([0-9a-f]{2} ?){8}"/);
    const cid = /^CID=([0-9a-f]{8})$/m.exec(text)?.[1];
    t.match(text, new RegExp(`^ddb\\.longContentID = "[0-9a-f]{24}${cid!}"$`, 'm'));
    t.equal(text.includes('ddb.thinProvisioned = "1"'), type === 7);
    if (createType.startsWith('vmfs')) return;
    t.match(JSON.parse(await tool('-r', file, 'info')), {
      capacity: SECTORS,
      adapterType: adapter,
    });
    t.equal(await tool('-r', file, 'map'), '[]', 'all of it is unallocated');
  });
}

t.test('every type with every adapter, written to', async (t) => {
  const HW_VERSIONS = [3, 4, 6, 7, 8, 9, 10, 11, 13, 14, 15, 17, 18, 19, 20, 21];
  const sectors = 70_000;
  let turn = 0;
  for (const { type } of TYPES) {
    for (const adapter of [1, 2, 3]) {
      const dir = t.testdir({ 'shadow.raw': Buffer.alloc(sectors * 512) });
      const file = path.join(dir, 'disk.vmdk');
      const shadow = path.join(dir, 'shadow.raw');
      const hwVersion = HW_VERSIONS[turn++ % HW_VERSIONS.length]!;
      t.match(await create(file, type, sectors, adapter, hwVersion), { exitCode: 0, stderr: '' });
      const text = readFileSync(file, 'latin1');
      t.match(text, `ddb.virtualHWVersion = "${hwVersion}"`);
      t.match(text, `ddb.adapterType = "${ADAPTERS[adapter]!}"`);
      const wrote = await tryTool(file, 'random', String(turn), '40', shadow);
      t.match(wrote, { exitCode: 0, stderr: '' }, `type ${type}, adapter ${adapter}`);
      await must('qemu-img', ['compare', '-q', '-f', 'raw', '-F', 'vmdk', shadow, file]);
      await must('qemu-img', ['check', '-q', '-f', 'vmdk', file]);
    }
  }
});

t.test('geometry', async (t) => {
  const dir = t.testdir({});
  const GIB = 2 ** 21;
  const cases: [adapter: number, sectors: number, geometry: number[]][] = [
    [1, GIB, [2080, 16, 63]],
    [1, 100 * GIB, [16383, 16, 63]],
    [2, GIB / 2, [512, 64, 32]],
    [2, GIB, [512, 128, 32]],
    [2, 3 * GIB, [391, 255, 63]],
    [3, 7, [1, 64, 32]],
    [3, GIB, [130, 255, 63]],
  ];
  for (const [index, [adapter, sectors, geometry]] of cases.entries()) {
    const file = path.join(dir, `${index}.vmdk`);
    const made = await create(file, 2, sectors, adapter);
    t.match(made, { exitCode: 0, stderr: '' });
    const text = readFileSync(file, 'latin1');
    const said = ['cylinders', 'heads', 'sectors'].map((key) =>
      Number(new RegExp(`ddb.geometry.${key} = "(\\d+)"`).exec(text)?.[1]),
    );
    t.same(said, geometry, `${adapter} ${sectors}`);
  }
});

t.test('refusals', async (t) => {
  const dir = t.testdir({ 'there.vmdk': 'x', 'late-s002.vmdk': 'x' });
  const file = path.join(dir, 'disk.vmdk');
  const TIB = 2 ** 31;
  t.match(await create(file, 9, 10), { exitCode: 1, stderr: /there is no disk type 9\nerror 3:/ });
  t.match(await create(file, 1, 0), { exitCode: 1, stderr: /at least 1 sector\nerror 3:/ });
  t.match(await create(file, 2, 62 * TIB + 1), { exitCode: 1, stderr: /62 TiB\nerror 21:/ });
  for (const type of [1, 6, 8]) {
    t.match(await create(file, type, 2 * TIB), {
      exitCode: 1,
      stderr: /2 TiB.*split disk\nerror 21/,
    });
  }
  t.match(await create(file, 3, 8 * TIB), { exitCode: 1, stderr: /4096 extents\nerror 21/ });
  const quoted = path.join(dir, 'a"b.vmdk');
  t.match(await create(quoted, 1, 10), { exitCode: 1, stderr: /can't be empty or have quotes/ });
  const there = path.join(dir, 'there.vmdk');
  t.match(await create(there, 1, 10), { exitCode: 1, stderr: /exists already.*\nerror 12/ });
  t.equal(readFileSync(there, 'latin1'), 'x', 'what was there is as it was');
  const late = await create(path.join(dir, 'late.vmdk'), 3, SECTORS);
  t.match(late, { exitCode: 1, stderr: /late-s002\.vmdk: the file exists already/ });
  t.same(readdirSync(dir).sort(), ['late-s002.vmdk', 'there.vmdk'], 'nothing half-made');
  const away = path.join(dir, 'none', 'disk.vmdk');
  t.match(await create(away, 1, 10), { exitCode: 1, stderr: /cannot be created: No such file/ });
});

t.test('the largest there are, and full disks', async (t) => {
  const dir = t.testdir({});
  const TIB = 2 ** 31;
  const sparse = path.join(dir, 'sparse.vmdk');
  t.match(await create(sparse, 1, 2 * TIB - 1_500_000), { exitCode: 0, stderr: '' });
  await must('qemu-img', ['info', sparse]);
  const split = path.join(dir, 'split.vmdk');
  t.match(await create(split, 3, TIB), { exitCode: 0, stderr: '' });
  t.match(JSON.parse(await tool('-r', split, 'info')), { capacity: TIB });
  const file = path.join(dir, 'big.vmdk');
  const limited = await must('sh', [
    '-c',
    `ulimit -f 2048; trap '' XFSZ; "$0" "$1" create 2 99999999 3 0 2>&1; true`,
    process.env['VMDK_TOOL'] ?? path.join(import.meta.dirname, '../../build/tests/vmdk-tool'),
    file,
  ]);
  t.match(limited, /setting the size .* failed: File too large\nerror 21/);
  t.notOk(readdirSync(dir).includes('big.vmdk'), 'nothing half-made');
});
