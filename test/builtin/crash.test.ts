// A process that is killed in the middle of writing: what it had completed is in the image, and
// the image is sound. At most the request that was under way is there in part.
import { once } from 'node:events';
import path from 'node:path';
import t from 'tap';
import { makeEmpty, makeRaw, qemuVerdict } from '../lib/disks.js';
import { must } from '../lib/serve.js';
import { startTool, tool } from './tool.js';

const SIZE_BYTES = 300 * 1024 * 1024 + 512;
const MAX_REQUEST_SECTORS = 4096;

for (const subformat of ['monolithicSparse', 'twoGbMaxExtentFlat']) {
  t.test(subformat, async (t) => {
    const dir = t.testdir({});
    const [shadow, vmdk] = ['shadow.raw', 'disk.vmdk'].map((file) => path.join(dir, file));
    makeRaw(shadow!, SIZE_BYTES, 0);
    await makeEmpty(vmdk!, SIZE_BYTES, subformat);
    for (const [seed, afterMs] of [60, 90, 130, 170, 220].entries()) {
      const child = startTool(vmdk!, 'random', String(seed), '100000', shadow!);
      const exit = once(child, 'exit');
      setTimeout(() => child.kill('SIGKILL'), afterMs);
      t.same(await exit, [null, 'SIGKILL'], 'killed while it worked');
      await must('qemu-img', ['check', '-f', 'vmdk', vmdk!]);
      const differ = JSON.parse(await tool('-r', vmdk!, 'compare', shadow!)) as number[] | null;
      const [first = 0, last = 0] = differ ?? [];
      t.ok(last - first < MAX_REQUEST_SECTORS, `differs in ${first} to ${last}`);
      await tool('-r', vmdk!, 'read', shadow!); // the next round begins with what there is
    }
    await tool(vmdk!, 'random', '99', '100', shadow!);
    t.equal(await qemuVerdict(shadow!, vmdk!), '');
  });
}
