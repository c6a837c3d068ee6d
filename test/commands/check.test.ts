// vddk-nbd check: sound images of every format are sound, each kind of damage is found and named,
// and exit codes are those of qemu-img check.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { Random, randomExtent, type ExtentModel } from '../builtin/model.js';
import { writeLink } from '../builtin/writer.js';
import { makeRaw, makeVmdk, SUBFORMATS } from '../lib/disks.js';
import { REPO, run } from '../lib/serve.js';

interface Report {
  corruptions: number;
  repairable: number;
  leaks: number;
  reads: { dataSectors: number; zeroSectors: number };
  links: { createType: string; extents: { dataSectors: number; leakedSectors: number }[] }[];
  messages: { kind: string; text: string }[];
}

const check = (...args: string[]) =>
  run(process.execPath, [path.join(REPO, 'bin/run.js'), 'check', ...args]);

/** What the checker says, which is a program of its own and starts faster. */
async function report(t: Test, exitCode: number, file: string): Promise<Report> {
  const ended = await run(path.join(REPO, 'build/helper/vddk-nbd-check'), ['--json', file]);
  t.equal(ended.exitCode, exitCode, ended.stdout);
  return JSON.parse(ended.stdout) as Report;
}

t.test("qemu's images are sound", async (t) => {
  const dir = t.testdir({});
  const raw = path.join(dir, 'in.raw');
  makeRaw(raw, 5 * 1024 * 1024 + 512, 5);
  for (const { name } of SUBFORMATS) {
    const file = path.join(dir, `${name}.vmdk`);
    await makeVmdk(raw, file, name);
    const found = await report(t, 0, file);
    t.match(found, { corruptions: 0, leaks: 0, messages: [], links: [{ createType: name }] });
    t.equal(found.reads.dataSectors + found.reads.zeroSectors, 10241);
  }
  const text = await check(path.join(dir, 'monolithicSparse.vmdk'));
  t.match(text, { exitCode: 0, stdout: /SPARSE 10241 sectors: \d+ data,[^]*no errors were found/ });
});

t.test('what there is of ESXi is sound, and counted', async (t) => {
  const dir = t.testdir({});
  const kinds: [string, ExtentModel['format']][] = [
    ['vmfsSparse', 'cowd'],
    ['seSparse', 'sesparse'],
    ['monolithicSparse', 'hosted'],
  ];
  for (const [createType, format] of kinds) {
    const random = new Random(7);
    const extent = randomExtent(random, format, 5000, format !== 'cowd');
    const file = path.join(dir, `${createType}.vmdk`);
    writeLink(random, { createType, extents: [extent] }, { file, cid: '00000007' });
    const found = await report(t, 0, file);
    const grains = [...extent.grains.values()];
    const data = grains.filter((grain) => grain instanceof Buffer).length * extent.grainSectors;
    const least = data - extent.grainSectors; // the disk's end may cut one
    const seen = found.links[0]!.extents[0]!.dataSectors;
    t.ok(seen > least && seen <= data, `${createType}: ${seen} of ${data}`);
  }
});

t.test('damage', async (t) => {
  const dir = t.testdir({});
  const [raw, whole, file] = ['in.raw', 'whole.vmdk', 'disk.vmdk'].map((n) => path.join(dir, n));
  makeRaw(raw!, 5 * 1024 * 1024, 5);
  await makeVmdk(raw!, whole!, 'monolithicSparse');
  const image = readFileSync(whole!);
  const gt = image.readUInt32LE(Number(image.readBigUInt64LE(56)) * 512) * 512;
  const used = Array.from({ length: 80 }, (_, i) => i).filter((i) =>
    image.readUInt32LE(gt + i * 4),
  );
  const [a, b] = used as [number, number];
  const damaged = async (change: (bytes: Buffer) => void, exitCode: number): Promise<string> => {
    const bytes = Buffer.from(image);
    change(bytes);
    writeFileSync(file!, bytes);
    const found = await report(t, exitCode, file!);
    return found.messages.map(({ kind, text }) => `${kind}: ${text}`).join('\n');
  };
  const entry = (bytes: Buffer, grain: number, value: number): void => {
    bytes.writeUInt32LE(value, gt + grain * 4);
  };
  const twice = await damaged((bytes) => {
    entry(bytes, a, bytes.readUInt32LE(gt + b * 4));
  }, 2);
  t.match(twice, /corruption: .*two grains lie on each other/);
  t.match(twice, /corruption: .*1 redundant grain tables differ/);
  t.match(twice, /leak: .*128 sectors are used by nothing/);
  const inside = await damaged((bytes) => {
    entry(bytes, a, 3);
  }, 2);
  t.match(inside, /corruption: .*points into metadata/);
  const behind = await damaged((bytes) => {
    entry(bytes, a, 1_000_000);
    entry(bytes, b, 1_000_001);
  }, 2);
  t.equal(behind.match(/lies behind its/g)?.length, 2, 'each of two is named');
  const unclean = await damaged((bytes) => {
    bytes[72] = 1;
    bytes.writeUInt32LE(0, Number(bytes.readBigUInt64LE(48)) * 512);
  }, 0);
  t.match(unclean, /repairable: .*1 redundant grain tables differ/);
  t.match(unclean, /note: .*its last writer did not close it/);
  writeFileSync(file!, image);
  truncateSync(file!, image.length + 65536 * 3);
  const found = await report(t, 3, file!);
  t.equal(found.links[0]!.extents[0]!.leakedSectors, 3 * 128);
  truncateSync(file!, 1000);
  await report(t, 2, file!);
});

t.test('what can not be checked', async (t) => {
  const dir = t.testdir({});
  const gone = await check(path.join(dir, 'none.vmdk'));
  t.match(gone, { exitCode: 1, stdout: /none\.vmdk: no such file/ });
  t.match(await check(), { exitCode: 1, stdout: '', stderr: /^vddk-nbd: error: .*file/ });
  const flag = await check('--what', 'x');
  t.match(flag, {
    exitCode: 1,
    stderr: /^vddk-nbd: error: .*--what.*See vddk-nbd check --help\.$/,
  });
});
