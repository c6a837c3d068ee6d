// The map of a disk as clients get it from the server with the built-in engine, and from nbdkit's
// vddk plugin with the same library, is qemu's. (VDDK's own map of a local file is wrong, so the
// server believes only ours.) NBDKIT is the path of an nbdkit that has the plugin; without it, that
// part is skipped.
import path from 'node:path';
import t from 'tap';
import { makeRaw, makeVmdk } from '../lib/disks.js';
import { must, REPO, runServe, shortDir } from '../lib/serve.js';
import { inChunks, qemuMap, SECTOR_BYTES } from './qemu.js';
import type { Run } from './tool.js';

const SIZE_BYTES = 40 * 1024 * 1024;
const NBDINFO = 'nbdinfo --map --json "$uri"';

const nbdkit = process.env['NBDKIT'];
const skip = nbdkit === undefined ? 'NBDKIT is not set' : false;

/** The runs of data that nbdinfo printed. */
function runsOf(json: string): Run[] {
  const extents = JSON.parse(json) as { offset: number; length: number; type: number }[];
  const data = extents.filter(({ type }) => type === 0);
  return inChunks(
    data.map(({ offset, length }): Run => [offset / SECTOR_BYTES, length / SECTOR_BYTES]),
    SIZE_BYTES / SECTOR_BYTES,
  );
}

for (const subformat of ['monolithicSparse', 'twoGbMaxExtentSparse', 'streamOptimized']) {
  t.test(subformat, async (t) => {
    const dir = shortDir(t);
    const vmdk = path.join(dir, 'disk.vmdk');
    makeRaw(path.join(dir, 'in.raw'), SIZE_BYTES, 30);
    await makeVmdk(path.join(dir, 'in.raw'), vmdk, subformat);
    const expected = await qemuMap(vmdk, SIZE_BYTES / SECTOR_BYTES);
    t.ok(expected.length > 5, 'it has holes');

    const served = await runServe(['-r', vmdk, 'engine=builtin', '--run', NBDINFO]);
    t.equal(served.exitCode, 0, served.stderr);
    t.same(runsOf(served.stdout), expected, "the server's");

    await t.test("nbdkit's", { skip }, async (t) => {
      const libdir = path.join(REPO, 'build/builtin');
      const args = ['-r', '-U', '-', 'vddk', `libdir=${libdir}`, `file=${vmdk}`, '--run', NBDINFO];
      t.same(runsOf(await must(nbdkit!, args)), expected);
    });
  });
}
