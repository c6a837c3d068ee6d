// Every name that a kind of disk has had, in any case, with lines ended as Windows does: the disk
// opens, and its sectors are those of its extents.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { makeRaw, makeVmdk } from '../lib/disks.js';
import { tool } from './tool.js';

const SIZE_BYTES = 3 * 1024 * 1024;

const FLAT = [
  ['monolithicFlat', 'FLAT'],
  ['twoGbMaxExtentFlat', 'FLAT'],
  ['2GbMaxExtentFlat', 'FLAT'],
  ['vmfs', 'VMFS'],
  ['vmfsPreallocated', 'VMFS'],
  ['vmfsEagerZeroedThick', 'VMFS'],
  ['vmfsThin', 'VMFS'],
  ['custom', 'FLAT'],
] as const;

const SPARSE = [
  ['twoGbMaxExtentSparse', 'SPARSE'],
  ['2GbMaxExtentSparse', 'SPARSE'],
  ['custom', 'SPARSE'],
] as const;

/** Opens a disk of one extent under each name. */
async function tryNames(
  t: Test,
  dir: string,
  names: readonly (readonly [createType: string, extentType: string])[],
  extent: string,
): Promise<void> {
  const raw = readFileSync(path.join(dir, 'in.raw'));
  for (const [createType, extentType] of names) {
    const disk = path.join(dir, 'disk.vmdk');
    const place = extentType === 'SPARSE' ? '' : ' 0';
    const lines = [
      '# Disk DescriptorFile',
      'VERSION = 1',
      'cid=12345678',
      'ParentCID = ffffffff',
      `CREATETYPE="${createType.toUpperCase()}"`,
      `rw ${SIZE_BYTES / 512} ${extentType.toLowerCase()} "${extent}"${place}`,
      '',
    ];
    writeFileSync(disk, lines.join('\r\n'));
    const out = path.join(dir, 'out.raw');
    await tool('-r', disk, 'read', out);
    t.ok(readFileSync(out).equals(raw), `${createType} ${extentType}`);
  }
}

t.test('kinds with flat extents', async (t) => {
  const dir = t.testdir({});
  makeRaw(path.join(dir, 'in.raw'), SIZE_BYTES, 5);
  await tryNames(t, dir, FLAT, 'in.raw');
});

t.test('kinds with sparse extents', async (t) => {
  const dir = t.testdir({});
  makeRaw(path.join(dir, 'in.raw'), SIZE_BYTES, 5);
  const made = path.join(dir, 'made.vmdk');
  await makeVmdk(path.join(dir, 'in.raw'), made, 'twoGbMaxExtentSparse');
  await tryNames(t, dir, SPARSE, 'made-s001.vmdk');
});
