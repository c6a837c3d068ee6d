// streamOptimized disks that the engine makes: filled in any order, over several sessions, with
// flushes in between and with a process that is killed; and truncated ones, read when asked.
import { once } from 'node:events';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { makeRaw, qemuVerdict } from '../lib/disks.js';
import { must } from '../lib/serve.js';
import { startTool, tool, tryTool } from './tool.js';

const SECTORS = 70_001;

async function empty(dir: string): Promise<[disk: string, raw: string]> {
  const [disk, raw] = ['disk.vmdk', 'shadow.raw'].map((file) => path.join(dir, file));
  await tool(disk!, 'create', '6', String(SECTORS), '3', '0');
  return [disk!, raw!];
}

t.test('create and fill, and go on later', async (t) => {
  const [disk, raw] = await empty(t.testdir({}));
  makeRaw(raw, SECTORS * 512, 30);
  t.match(await tryTool(disk, 'write', raw), { exitCode: 0, stderr: '' });
  t.equal(await qemuVerdict(raw, disk), '');
  t.match(await must('vmdkinfo', [disk]), /Disk type:\s+Stream optimized/);
  for (const seed of ['1', '2']) {
    t.match(await tryTool(disk, 'random', seed, '80', raw), { exitCode: 0, stderr: '' });
    t.equal(await qemuVerdict(raw, disk), '', `seed ${seed}`);
    t.equal(await tool('-r', disk, 'compare', raw), 'null');
  }
});

t.test('what a killed process has written is there', async (t) => {
  const dir = t.testdir({});
  const [disk, raw] = await empty(dir);
  writeFileSync(raw, Buffer.alloc(SECTORS * 512));
  for (const [seed, afterMs] of [80, 150, 260].entries()) {
    const child = startTool(disk, 'random', String(seed), '100000', raw);
    const exit = once(child, 'exit');
    setTimeout(() => child.kill('SIGKILL'), afterMs);
    t.same(await exit, [null, 'SIGKILL'], 'killed while it worked');
    const differ = JSON.parse(await tool(disk, 'compare', raw)) as number[] | null;
    const [first = 0, last = 0] = differ ?? [];
    t.ok(last - first < 4096, `differs in ${first} to ${last}`);
    await tool('-r', disk, 'read', raw);
  }
  t.equal(await qemuVerdict(raw, disk), '', 'the next writer has finished the file');
});

t.test('a truncated one is read as far as it goes, when that is asked for', async (t) => {
  const dir = t.testdir({ 'read.conf': 'builtin.readTruncated = "true"\n' });
  const [disk, raw] = await empty(dir);
  makeRaw(raw, SECTORS * 512, 30);
  await tool(disk, 'write', raw);
  truncateSync(disk, Math.floor(statSync(disk).size / 2));
  t.match(await tryTool('-r', disk, 'info'), { exitCode: 1, stderr: /footer .* is missing/ });
  const out = path.join(dir, 'out.raw');
  t.match(await tryTool('-c', path.join(dir, 'read.conf'), '-r', disk, 'read', out), {
    exitCode: 0,
  });
  const [whole, part] = [readFileSync(raw), readFileSync(out)];
  let wrong = 0;
  let missing = 0;
  for (let at = 0; at < whole.length; at += 512) {
    if (whole.subarray(at, at + 512).equals(part.subarray(at, at + 512))) continue;
    if (part.subarray(at, at + 512).some((byte) => byte !== 0)) wrong += 1;
    else missing += 1;
  }
  t.equal(wrong, 0, 'nothing wrong');
  t.ok(missing > 100 && missing < SECTORS / 2, `${missing} sectors are not there`);
});
