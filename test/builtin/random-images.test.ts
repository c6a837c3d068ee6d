// Random images of every format, written by the tests' own writers: the engine reads the model's
// bytes and has the model's map, and so has qemu where it knows the format. RANDOM_IMAGES says how
// many (of each kind), RANDOM_SEED with which seed the first begins.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { must } from '../lib/serve.js';
import {
  overlay,
  Random,
  randomExtent,
  type Expected,
  type ExtentModel,
  type LinkModel,
} from './model.js';
import { inChunks, qemuMap } from './qemu.js';
import { map, tool, tryTool, type Run } from './tool.js';
import { writeLink, type LinkNames } from './writer.js';

const COUNT = Number(process.env['RANDOM_IMAGES'] ?? 12);
const SEED = Number(process.env['RANDOM_SEED'] ?? 1);

/** Extents end anywhere; the longest have two tables of small grains. */
const SECTORS_MAX = 6000;

const GRAIN_SECTORS_MAX = 128;

/** Link types whose extents qemu reads, and the format in them. */
const KINDS: [createType: string, format: ExtentModel['format'], extentsMax: number][] = [
  ['monolithicSparse', 'hosted', 1],
  ['twoGbMaxExtentSparse', 'hosted', 3],
  ['streamOptimized', 'stream', 1],
  ['vmfsSparse', 'cowd', 2],
  ['seSparse', 'sesparse', 2],
  ['monolithicFlat', 'flat', 1],
  ['twoGbMaxExtentFlat', 'flat', 3],
];

/** Formats in which a grain can be zeroes whatever the parent has. */
const CAN_ZERO = ['hosted', 'sesparse'];

/** `total` in up to `parts` parts, all but the last of which are multiples of `unit`. */
function cut(random: Random, total: number, parts: number, unit: number): number[] {
  const sizes: number[] = [];
  let rest = total;
  for (let left = parts; left > 1 && rest > unit; left -= 1) {
    const size = (1 + random.below(Math.ceil(rest / unit) - 1)) * unit;
    sizes.push(size);
    rest -= size;
  }
  return [...sizes, rest];
}

function randomLink(random: Random, kind: (typeof KINDS)[number], sectors: number): LinkModel {
  const [createType, format, extentsMax] = kind;
  // Where an extent ends inside a grain, qemu reads on in it instead of in the next one.
  const sizes = cut(random, sectors, 1 + random.below(extentsMax), GRAIN_SECTORS_MAX);
  const zeroes = CAN_ZERO.includes(format);
  return {
    createType,
    extents: sizes.map((size) => randomExtent(random, format, size, zeroes)),
  };
}

function runsOf(expected: Expected): Run[] {
  const runs: Run[] = [];
  expected.data.forEach((is, sector) => {
    if (!is) return;
    const last = runs.at(-1);
    if (last && last[0] + last[1] === sector) last[1] += 1;
    else runs.push([sector, 1]);
  });
  return inChunks(runs, expected.data.length);
}

/** Our reading of an image is what is expected. */
async function check(t: Test, dir: string, image: string, expected: Expected): Promise<boolean> {
  const out = path.join(dir, 'out.raw');
  await tool('-r', image, 'read', out);
  const bytes = readFileSync(out).equals(expected.bytes);
  const runs = await map(image);
  return t.ok(bytes, 'the same bytes') && t.same(runs, runsOf(expected), 'the same map');
}

/** qemu reads the same, so the writers are right. */
async function checkQemu(t: Test, dir: string, image: string, expected: Expected): Promise<void> {
  const raw = path.join(dir, 'expected.raw');
  writeFileSync(raw, expected.bytes);
  await must('qemu-img', ['compare', '-q', '-f', 'raw', '-F', 'vmdk', raw, image]);
  const runs = await qemuMap(image, expected.data.length);
  t.same(runs, runsOf(expected), "qemu's map");
}

for (const kind of KINDS) {
  t.test(kind[0], async (t) => {
    const dir = t.testdir({});
    for (let seed = SEED; seed < SEED + COUNT; seed += 1) {
      const random = new Random(seed);
      const link = randomLink(random, kind, 1 + random.below(SECTORS_MAX));
      const names: LinkNames = { file: path.join(dir, 'disk.vmdk'), cid: '1234abcd' };
      writeLink(random, link, names);
      const expected = overlay(link);
      await checkQemu(t, dir, names.file, expected);
      if (!(await check(t, dir, names.file, expected))) return t.fail(`seed ${seed}`);
    }
  });
}

t.test('chains of all of them, and what is written on top', async (t) => {
  for (let seed = SEED; seed < SEED + COUNT; seed += 1) {
    const dir = t.testdir({});
    const random = new Random(seed);
    const sectors = 1 + random.below(SECTORS_MAX);
    const length = 2 + random.below(4);
    let expected: Expected | undefined;
    let parent: LinkNames['parent'];
    let file = '';
    for (let index = 0; index < length; index += 1) {
      // Flat links have no gaps and stream-optimized ones no parents in practice.
      const kinds = index === 0 ? KINDS : KINDS.filter(([, format]) => format !== 'flat');
      const size = index < length - 1 && random.oneIn(4) ? Math.ceil(sectors / 2) : sectors;
      const link = randomLink(random, random.pick(kinds), size);
      const cid = (0x1000 + index).toString(16).padStart(8, '0');
      file = path.join(dir, `link${index}.vmdk`);
      writeLink(random, link, { file, cid, ...(parent && { parent }) });
      expected = overlay(link, expected);
      parent = { cid, hint: `link${index}.vmdk` };
    }
    if (!(await check(t, dir, file, expected!))) return t.fail(`seed ${seed}`);
    await checkQemu(t, dir, file, expected!);
    const top = path.join(dir, 'top.vmdk');
    const zeroes = random.oneIn(2);
    const kind = random.pick(KINDS.filter(([, format]) => ['hosted', 'cowd'].includes(format)));
    const link = randomLink(random, kind, sectors);
    if (zeroes && kind[1] === 'hosted') link.extents[0]!.grains.set(0, 'zero');
    writeLink(random, link, { file: top, cid: '0000beef', parent: parent! });
    const shadow = path.join(dir, 'shadow.raw');
    writeFileSync(shadow, overlay(link, expected).bytes);
    const wrote = await tryTool(top, 'random', String(seed), '60', shadow);
    t.match(wrote, { exitCode: 0, stderr: '' });
    t.equal(await tool('-r', top, 'compare', shadow), 'null', 'what was written on top');
    await must('qemu-img', ['compare', '-q', '-f', 'raw', '-F', 'vmdk', shadow, top]);
    await must('qemu-img', ['check', '-q', '-f', 'vmdk', top]);
    if (!t.passing()) return t.fail(`seed ${seed}`);
  }
});

t.test('custom disks of anything, with ZERO and RDONLY extents', async (t) => {
  const dir = t.testdir({});
  for (let seed = SEED; seed < SEED + COUNT; seed += 1) {
    const random = new Random(seed);
    const sizes = cut(random, 10 + random.below(SECTORS_MAX), 1 + random.below(6), 1);
    const link: LinkModel = {
      createType: 'custom',
      extents: sizes.map((sectors) => {
        const format = random.pick(['hosted', 'cowd', 'sesparse', 'flat', 'zero'] as const);
        const extent = randomExtent(random, format, sectors, CAN_ZERO.includes(format));
        if (format === 'zero') extent.grains.clear();
        return { ...extent, access: random.pick(['RW', 'RDONLY'] as const) };
      }),
    };
    const file = path.join(dir, 'custom.vmdk');
    writeLink(random, link, { file, cid: '00000001', liberal: true });
    if (!(await check(t, dir, file, overlay(link)))) return t.fail(`seed ${seed}`);
  }
});
