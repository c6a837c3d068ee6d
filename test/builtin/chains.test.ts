// Chains: parents are found beside the link that names them, must be what the link was made of, and
// are never written; what can't be is refused with the name that was looked for. Descriptors in
// other encodings, and what the configuration file allows.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { must } from '../lib/serve.js';
import { tool, tryTool } from './tool.js';

/** A descriptor whose only extent is ZERO: a link that needs no other file. */
function hollow(options: {
  cid: number;
  parentCid?: number;
  hint?: string;
  sectors?: number;
  extent?: string;
}): string {
  const hex = (n: number): string => n.toString(16).padStart(8, '0');
  return [
    '# Disk DescriptorFile',
    'version=1',
    `CID=${hex(options.cid)}`,
    `parentCID=${options.parentCid === undefined ? 'ffffffff' : hex(options.parentCid)}`,
    ...(options.hint === undefined ? [] : [`parentFileNameHint="${options.hint}"`]),
    'createType="custom"',
    '# Extent description',
    `RW ${options.sectors ?? 100} ${options.extent ?? 'ZERO'}`,
    '',
  ].join('\n');
}

async function refused(t: Test, file: string, vixError: number, warning: RegExp): Promise<void> {
  const result = await tryTool('-r', file, 'info');
  t.equal(result.exitCode, 1, result.stdout);
  t.match(result.stderr, warning);
  t.match(result.stderr, new RegExp(`error ${vixError}: `));
}

const links = async (...args: string[]): Promise<number> =>
  (JSON.parse(await tool(...args, 'info')) as { numLinks: number }).numLinks;

t.test("qemu's chain of backing files", async (t) => {
  const dir = t.testdir({});
  const [base, middle, top, raw] = ['base', 'middle', 'top', 'out.raw'].map((name) =>
    path.join(dir, name.includes('.') ? name : `${name}.vmdk`),
  ) as [string, string, string, string];
  const io = (file: string, ...commands: string[]) =>
    must('qemu-io', ['-f', 'vmdk', ...commands.flatMap((command) => ['-c', command]), file]);
  const create = (file: string, parent: string) =>
    must('qemu-img', ['create', '-q', '-f', 'vmdk', '-b', parent, '-F', 'vmdk', file]);
  await must('qemu-img', ['create', '-q', '-f', 'vmdk', base, '8M']);
  await io(base, 'write -P 1 0 8M');
  await create(middle, base); // with an absolute path, as qemu writes it
  await io(middle, 'write -P 2 1M 100k');
  await create(top, 'middle.vmdk');
  t.equal(await links('-r', top), 3);
  const before = readFileSync(base);
  await must('qemu-img', ['convert', '-O', 'raw', top, raw]);
  t.match(await tryTool(top, 'random', '3', '200', raw), { exitCode: 0, stderr: '' });
  await must('qemu-img', ['compare', '-q', '-f', 'raw', '-F', 'vmdk', raw, top]);
  t.ok(readFileSync(base).equals(before), 'the parent is as it was');
  t.equal(await links('-r', '-s', top), 1, 'a single link');
  const whole = JSON.parse(await tool('-r', top, 'map')) as unknown[];
  const alone = JSON.parse(await tool('-r', '-s', top, 'map')) as unknown[];
  t.ok(whole.length === 1 && alone.length > 1, 'and its own map');
  await io(middle, 'write -P 3 0 512');
  const changed = /top\.vmdk: its parent, .*middle\.vmdk, was changed since this link was made/;
  await refused(t, top, 16030, changed);
  t.equal(await links('-r', '-s', top), 1, 'which the parents do not matter to');
});

t.test('the first write changes the CID, and only it', async (t) => {
  const dir = t.testdir({});
  const cidOf = (text: string): string => /^CID=([0-9a-f]+)$/m.exec(text)?.[1] ?? '';
  for (const old of ['1', '1234abcd']) {
    const disk = path.join(dir, `disk${old}.vmdk`);
    await tool(disk, 'create', '2', '2000', '3', '0');
    const text = readFileSync(disk, 'latin1').replace(/^CID=.*$/m, `CID=${old}`);
    writeFileSync(disk, text);
    await tool('-r', disk, 'info');
    t.equal(readFileSync(disk, 'latin1'), text, 'reading changes nothing');
    const raw = path.join(dir, 'raw');
    writeFileSync(raw, Buffer.alloc(2000 * 512, 7));
    await tool(disk, 'write', raw);
    const now = readFileSync(disk, 'latin1');
    const cid = cidOf(now);
    t.match(cid, /^[0-9a-f]{8}$/);
    t.not(cid, old);
    t.match(now, new RegExp(`longContentID = "[0-9a-f]{24}${cid}"`));
    const rest = (all: string): string =>
      all.replace(/^CID=.*$/m, '').replace(/longContentID = ".*"/, '');
    t.equal(rest(now), rest(text));
  }
});

t.test('parents that are not there, or not right', async (t) => {
  const dir = t.testdir({
    'gone.vmdk': hollow({ cid: 1, parentCid: 2, hint: 'no-such.vmdk' }),
    'nameless.vmdk': hollow({ cid: 1, parentCid: 2 }),
    'a.vmdk': hollow({ cid: 1, parentCid: 2, hint: 'b.vmdk' }),
    'b.vmdk': hollow({ cid: 2, parentCid: 1, hint: 'a.vmdk' }),
    'self.vmdk': hollow({ cid: 5, parentCid: 5, hint: 'self.vmdk' }),
    'out.vmdk': hollow({ cid: 1, parentCid: 2, hint: '../elsewhere.vmdk' }),
    'moved.vmdk': hollow({ cid: 1, parentCid: 9, hint: 'C:\\VMs\\base.vmdk' }),
    'base.vmdk': hollow({ cid: 9 }),
  });
  const file = (name: string): string => path.join(dir, `${name}.vmdk`);
  await refused(t, file('gone'), 16012, /gone\.vmdk: its parent, .*\/no-such\.vmdk, is not there/);
  await refused(t, file('nameless'), 16012, /the name of its parent is ""/);
  await refused(t, file('a'), 16030, /b\.vmdk: its parent, .*a\.vmdk, .*the chain is a cycle/);
  await refused(t, file('self'), 16030, /the chain is a cycle/);
  await refused(t, file('out'), 16012, /"\.\.\/elsewhere\.vmdk" is in another directory/);
  t.equal(await links('-r', file('moved')), 2, 'the same name beside it, as Windows wrote it');
});

t.test('255 links, and one more', async (t) => {
  const dir = t.testdir({});
  for (let i = 0; i < 256; i += 1) {
    const parent = i === 0 ? {} : { parentCid: i, hint: `${i - 1}.vmdk` };
    writeFileSync(path.join(dir, `${i}.vmdk`), hollow({ cid: i + 1, ...parent }));
  }
  t.equal(await links('-r', path.join(dir, '254.vmdk')), 255);
  await refused(t, path.join(dir, '255.vmdk'), 16030, /more than 255 links/);
});

t.test('other directories, when they are allowed', async (t) => {
  const dir = t.testdir({ 'allow.conf': '# ours\nbuiltin.allowOtherDirectories = "true"\n' });
  mkdirSync(path.join(dir, 'sub'));
  const disk = path.join(dir, 'sub', 'disk.vmdk');
  writeFileSync(path.join(dir, 'flat.bin'), Buffer.alloc(51200, 3));
  writeFileSync(path.join(dir, 'base.vmdk'), hollow({ cid: 9 }));
  const extent = 'FLAT "../flat.bin" 0';
  writeFileSync(disk, hollow({ cid: 1, parentCid: 9, hint: '../base.vmdk', extent }));
  t.match(await tryTool('-r', disk, 'info'), { exitCode: 1 });
  t.equal(await links('-c', path.join(dir, 'allow.conf'), '-r', disk), 2);
  writeFileSync(path.join(dir, 'wrong.conf'), 'builtin.allowEverything=1\n');
  const wrong = await tryTool('-c', path.join(dir, 'wrong.conf'), '-r', disk, 'info');
  t.match(wrong, { exitCode: 1, stderr: /no setting "builtin\.allowEverything"/ });
});

t.test('names in the encodings of Windows', async (t) => {
  const dir = t.testdir({});
  const cases: [encoding: string, name: string, bytes: string][] = [
    ['UTF-8', 'gr\u00f6\u00dfe', '6772c3b6c39f65'],
    ['windows-1252', 'gr\u00f6\u00dfe', '6772f6df65'],
    ['GBK', '\u4f60\u597d', 'c4e3bac3'],
    ['Shift_JIS', '\u8868\u793a', '955c8ea6'], // its first has a backslash for a second byte
    ['Big5', '\u4f60\u597d', 'a741a66e'],
  ];
  for (const [encoding, name, bytes] of cases) {
    const disk = path.join(dir, `${encoding}.vmdk`);
    const text = hollow({ cid: 1, sectors: 9, extent: 'FLAT "NAME-flat.vmdk" 0' });
    const [head, tail] = text.replace('version=1', `encoding="${encoding}"`).split('NAME');
    const inside = Buffer.from(bytes, 'hex');
    writeFileSync(disk, Buffer.concat([Buffer.from(head!), inside, Buffer.from(tail!)]));
    const flat = path.join(dir, `${name}-flat.vmdk`);
    writeFileSync(flat, Buffer.alloc(9 * 512));
    t.match(await tryTool('-r', disk, 'info'), { exitCode: 0, stderr: '' }, encoding);
    const raw = Buffer.concat([Buffer.from(`${dir}/`), inside, Buffer.from('-flat.vmdk')]);
    renameSync(flat, raw);
    t.match(await tryTool('-r', disk, 'info'), { exitCode: 0 }, `${encoding}, the bytes as a name`);
    renameSync(raw, path.join(dir, 'away'));
  }
  const disk = path.join(dir, 'unknown.vmdk');
  const text = hollow({ cid: 1, sectors: 9, extent: 'FLAT "\u00f6.vmdk" 0' });
  writeFileSync(disk, text.replace('version=1', 'encoding="klingon"'));
  await refused(t, disk, 16013, /encoded in "klingon", which this system does not know/);
});

t.test('what the descriptor forbids', async (t) => {
  const dir = t.testdir({});
  const disk = path.join(dir, 'disk.vmdk');
  const text = hollow({ cid: 1, sectors: 100, extent: 'FLAT "rw.bin" 0' });
  const more = 'RDONLY 100 FLAT "ro.bin" 0\nNOACCESS 100 FLAT "none.bin" 0\nRW 100 ZERO\n';
  writeFileSync(disk, text + more);
  for (const name of ['rw.bin', 'ro.bin']) {
    writeFileSync(path.join(dir, name), Buffer.alloc(51200, 5));
  }
  const raw = path.join(dir, 'raw');
  writeFileSync(raw, Buffer.alloc(400 * 512, 8));
  t.match(await tryTool(disk, 'write', raw), { exitCode: 1, stderr: /forbids writing.*RDONLY/ });
  t.ok(readFileSync(path.join(dir, 'ro.bin')).equals(Buffer.alloc(51200, 5)));
  t.match(await tryTool('-r', disk, 'read', raw), { exitCode: 1, stderr: /NOACCESS/ });
});

t.test("VMware's locks", async (t) => {
  const dir = t.testdir({ 'disk.vmdk': hollow({ cid: 1 }) });
  const disk = path.join(dir, 'disk.vmdk');
  mkdirSync(`${disk}.lck`);
  t.match(await tryTool(disk, 'info'), { exitCode: 0 }, 'an empty directory is no lock');
  const member = path.join(`${disk}.lck`, 'M12345.lck');
  writeFileSync(member, 'machine 42-1 7 S lc=x'.padEnd(512, '\0'));
  t.match(await tryTool('-r', disk, 'info'), { exitCode: 0 }, 'shared with readers');
  t.match(await tryTool(disk, 'info'), { exitCode: 1, stderr: /VMware has this disk open/ });
  writeFileSync(member, 'machine 42-1 7 X lc=x'.padEnd(512, '\0'));
  t.match(await tryTool('-r', disk, 'info'), { exitCode: 1, stderr: /VMware has this disk open/ });
});
