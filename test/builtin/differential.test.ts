// The built-in engine against qemu: what one writes the other reads, byte for byte, in every
// subformat; and both agree on what is allocated.
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { makeEmpty, makeRaw, makeVmdk, qemuVerdict, sameBytes, SUBFORMATS } from '../lib/disks.js';
import { must } from '../lib/serve.js';
import { qemuMap, SECTOR_BYTES } from './qemu.js';
import { info, map, tool, tryTool } from './tool.js';

/** No multiple of a grain, of a page, or of what a grain table covers. */
const SIZE_BYTES = 67 * 1024 * 1024 + 5 * SECTOR_BYTES;

for (const { name, writable } of SUBFORMATS) {
  t.test(`${name}: reads what qemu wrote`, async (t) => {
    const dir = t.testdir({});
    const [raw, vmdk, out] = ['in.raw', 'disk.vmdk', 'out.raw'].map((file) => path.join(dir, file));
    makeRaw(raw!, SIZE_BYTES, 60);
    await makeVmdk(raw!, vmdk!, name);
    const { capacity, ...rest } = await info(vmdk!);
    t.equal(capacity, SIZE_BYTES / SECTOR_BYTES);
    t.match(rest, { numLinks: 1, adapterType: 1, transportMode: 'file' });
    await tool('-r', vmdk!, 'read', out!);
    t.ok(await sameBytes(raw!, out!), 'the same bytes');
    const runs = await map(vmdk!);
    t.ok(runs.length > 10, 'a map with data and holes');
    t.same(runs, await qemuMap(vmdk!, capacity), 'the same map');
  });

  if (!writable) continue;
  t.test(`${name}: writes what qemu reads`, async (t) => {
    const dir = t.testdir({});
    const [raw, vmdk] = ['in.raw', 'disk.vmdk'].map((file) => path.join(dir, file));
    makeRaw(raw!, SIZE_BYTES, 60);
    await makeEmpty(vmdk!, SIZE_BYTES, name);
    await tool(vmdk!, 'write', raw!);
    t.equal(await qemuVerdict(raw!, vmdk!), '');
    t.same(await map(vmdk!), await qemuMap(vmdk!, SIZE_BYTES / SECTOR_BYTES), 'the same map');
  });

  t.test(`${name}: random operations`, async (t) => {
    const dir = t.testdir({});
    const [shadow, vmdk] = ['shadow.raw', 'disk.vmdk'].map((file) => path.join(dir, file));
    makeRaw(shadow!, SIZE_BYTES, 20);
    await makeVmdk(shadow!, vmdk!, name);
    for (const seed of ['1', '2', '3']) {
      t.match(await tryTool(vmdk!, 'random', seed, '400', shadow!), { exitCode: 0, stderr: '' });
      t.equal(await qemuVerdict(shadow!, vmdk!), '', `seed ${seed}`);
    }
  });
}

t.test('a compare that sees one wrong sector', async (t) => {
  const dir = t.testdir({});
  const [raw, wrong, vmdk] = ['in.raw', 'wrong.raw', 'disk.vmdk'].map((file) =>
    path.join(dir, file),
  );
  makeRaw(raw!, SIZE_BYTES, 5);
  await makeVmdk(raw!, vmdk!, 'monolithicSparse');
  t.equal(await tool('-r', vmdk!, 'compare', raw!), 'null');
  copyFileSync(raw!, wrong!);
  await must('qemu-io', ['-f', 'raw', '-c', 'write -P 9 33000960 512', wrong!]);
  t.equal(await tool('-r', vmdk!, 'compare', wrong!), '[64455, 64455]');
});

t.test('three extents of a disk of 4.4 GB', async (t) => {
  const dir = t.testdir({});
  const [raw, vmdk, out] = ['in.raw', 'disk.vmdk', 'out.raw'].map((file) => path.join(dir, file));
  const sizeBytes = 4_400_000_000 - (4_400_000_000 % SECTOR_BYTES);
  makeRaw(raw!, sizeBytes, 100);
  await makeVmdk(raw!, vmdk!, 'twoGbMaxExtentSparse');
  await tool('-r', vmdk!, 'read', out!);
  t.ok(await sameBytes(raw!, out!), 'the same bytes');
  t.same(await map(vmdk!), await qemuMap(vmdk!, sizeBytes / SECTOR_BYTES), 'the same map');
  t.match(await tryTool(vmdk!, 'random', '7', '300', raw!), { exitCode: 0, stderr: '' });
  t.equal(await qemuVerdict(raw!, vmdk!), '');
});
