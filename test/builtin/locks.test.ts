// Locks: two writers, or a writer and a reader, never have an image open together, whether they are
// ours or qemu's; and a killed process leaves no lock behind.
import { once } from 'node:events';
import path from 'node:path';
import t, { type Test } from 'tap';
import { makeEmpty } from '../lib/disks.js';
import { run } from '../lib/serve.js';
import { hold, holdTool, release, tryTool } from './tool.js';

const REFUSED = {
  exitCode: 1,
  stderr: /another process has this file open[^]*error 15: The file is locked by another process/,
};

/** qemu with an image open; its prompt says that it is. */
function holdQemu(...args: string[]): ReturnType<typeof hold> {
  return hold('qemu-io', ['-f', 'vmdk', ...args]);
}

async function image(t: Test, subformat = 'monolithicSparse'): Promise<string> {
  const file = path.join(t.testdir({}), 'disk.vmdk');
  await makeEmpty(file, 8 * 1024 * 1024, subformat);
  return file;
}

t.test('our writer', async (t) => {
  const file = await image(t);
  const writer = await holdTool(file);
  t.match(await tryTool(file, 'info'), REFUSED);
  t.match(await tryTool('-r', file, 'info'), REFUSED);
  for (const args of [['-r'], []]) {
    const qemu = await run('qemu-io', ['-f', 'vmdk', ...args, '-c', 'read 0 512', file]);
    t.not(qemu.exitCode, 0, `qemu-io ${args.join(' ')}`);
    t.match(qemu.stderr + qemu.stdout, /lock/);
  }
  await release(writer);
  t.match(await tryTool(file, 'info'), { exitCode: 0 });
});

t.test('our reader', async (t) => {
  const file = await image(t);
  const reader = await holdTool('-r', file);
  t.match(await tryTool('-r', file, 'info'), { exitCode: 0 });
  t.match(await tryTool(file, 'info'), REFUSED);
  const reads = await run('qemu-io', ['-r', '-f', 'vmdk', '-c', 'read 0 512', file]);
  t.equal(reads.exitCode, 0, 'qemu reads too');
  const writes = await run('qemu-io', ['-f', 'vmdk', '-c', 'write 0 512', file]);
  t.not(writes.exitCode, 0, 'qemu does not write');
  await release(reader);
});

t.test("qemu's writer and reader", async (t) => {
  const file = await image(t);
  const writer = await holdQemu(file);
  t.match(await tryTool('-r', file, 'info'), REFUSED);
  t.match(await tryTool(file, 'info'), REFUSED);
  await release(writer);
  const reader = await holdQemu('-r', file);
  t.match(await tryTool('-r', file, 'info'), { exitCode: 0 });
  t.match(await tryTool(file, 'info'), REFUSED);
  await release(reader);
  t.match(await tryTool(file, 'info'), { exitCode: 0 });
});

t.test('an extent is locked like its disk', async (t) => {
  const file = await image(t, 'twoGbMaxExtentFlat');
  const extent = path.join(path.dirname(file), 'disk-f001.vmdk');
  const writer = await hold('qemu-io', ['-f', 'raw', extent]);
  t.match(await tryTool('-r', file, 'info'), { exitCode: 1, stderr: /disk-f001\.vmdk: another/ });
  await release(writer);
  const ours = await holdTool(file);
  const qemu = await run('qemu-io', ['-f', 'raw', '-c', 'write 0 512', extent]);
  t.not(qemu.exitCode, 0);
  await release(ours);
});

t.test('a killed process holds no lock', async (t) => {
  const file = await image(t);
  const writer = await holdTool(file);
  const exit = once(writer, 'exit');
  writer.kill('SIGKILL');
  await exit;
  t.match(await tryTool(file, 'info'), { exitCode: 0 });
});
