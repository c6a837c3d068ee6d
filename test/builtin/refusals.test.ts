// What can't be opened is refused with an error of its own and a sentence that says which file,
// what is wrong, and where possible what to do.
import {
  chmodSync,
  copyFileSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { makeEmpty, makeRaw, makeVmdk } from '../lib/disks.js';
import { tryTool } from './tool.js';

const SIZE_BYTES = 9 * 1024 * 1024;

/** Opening fails with this VixError, and the last warning before it matches. */
async function refused(t: Test, args: string[], vixError: number, warning: RegExp): Promise<void> {
  const result = await tryTool(...args, 'info');
  t.equal(result.exitCode, 1, result.stdout);
  const [text = '', error = ''] = result.stderr.split('\n').slice(-2);
  t.match(text, warning);
  t.match(error, new RegExp(`^error ${vixError}: `));
}

/** A directory with an image of each kind under its subformat's name. */
async function images(t: Test, ...subformats: string[]): Promise<(base: string) => string> {
  const dir = t.testdir({});
  makeRaw(path.join(dir, 'in.raw'), SIZE_BYTES, 20);
  for (const subformat of subformats) {
    await makeVmdk(path.join(dir, 'in.raw'), path.join(dir, `${subformat}.vmdk`), subformat);
  }
  return (base) => path.join(dir, base);
}

/** Rewrites a text descriptor. */
function edit(file: string, from: string | RegExp, to: string): void {
  const before = readFileSync(file, 'latin1');
  const after = before.replace(from, to);
  if (before === after) throw new Error(`${file} has no ${String(from)}`);
  writeFileSync(file, after, 'latin1');
}

t.test('files that are no VMDK', async (t) => {
  const dir = t.testdir({ text: 'Dear disk,\n', empty: '', raw: Buffer.alloc(4096) });
  const file = (base: string): string => path.join(dir, base);
  await refused(t, ['-r', file('none.vmdk')], 4, /none\.vmdk: no such file$/);
  await refused(t, ['-r', dir], 9, /this is a directory; name the \.vmdk file in it$/);
  await refused(t, [dir], 9, /this is a directory; name the \.vmdk file in it$/);
  await refused(t, ['-r', '/dev/null'], 9, /\/dev\/null: this is not a regular file/);
  await refused(t, ['-r', file('text')], 9, /text: this is a text file, but not the descriptor/);
  await refused(t, ['-r', file('empty')], 9, /empty: the file is empty$/);
  await refused(t, ['-r', file('raw')], 9, /raw: this is not a VMDK; if it is a raw image, .*qemu/);
});

t.test('subformats that are not served, by name', async (t) => {
  const file = await images(t, 'monolithicFlat');
  const flat = file('monolithicFlat.vmdk');
  const change = (from: string | RegExp, to: string): string => {
    copyFileSync(flat, file('other.vmdk'));
    edit(file('other.vmdk'), from, to);
    return file('other.vmdk');
  };
  const other = change('"monolithicFlat"', '"vmfsUnheardOf"');
  await refused(t, ['-r', other], 16013, /subformat "vmfsUnheardOf" is not supported by the/);
  for (const name of ['fullDevice', 'partitionedDevice', 'vmfsRDM', 'vmfsRDMP', 'vmfsRaw']) {
    const device = new RegExp(`the disk is a device \\("${name}"\\)`);
    await refused(t, ['-r', change('"monolithicFlat"', `"${name}"`)], 16013, device);
  }
  for (const type of ['VMFSRDM', 'VMFSRAW']) {
    const extent = new RegExp(`extent type "${type}" is not supported`);
    await refused(t, ['-r', change(' FLAT ', ` ${type} `)], 16013, extent);
  }
  writeFileSync(file('cowd.vmdk'), 'COWD'.padEnd(2048, '\0'));
  await refused(t, ['-r', file('cowd.vmdk')], 16003, /only one extent of a disk/);
  const magic = Buffer.from('bebafeca', 'hex');
  writeFileSync(file('se.vmdk'), Buffer.concat([magic, Buffer.alloc(4092)]));
  await refused(t, ['-r', file('se.vmdk')], 16003, /only one extent of a disk/);
});

t.test('disks that need more than their own files', async (t) => {
  const file = await images(t, 'monolithicFlat');
  const change = (from: string | RegExp, to: string): string => {
    copyFileSync(file('monolithicFlat.vmdk'), file('other.vmdk'));
    edit(file('other.vmdk'), from, to);
    return file('other.vmdk');
  };
  const encrypted = change('# The', 'encryption.keySafe = "vmware:key"\n# The');
  await refused(t, ['-r', encrypted], 16013, /is encrypted/);
  const tracked = change('# The', 'changeTrackPath="other-ctk.vmdk"\n# The');
  await refused(t, [tracked], 16013, /"other-ctk\.vmdk".* use -r to open it read-only$/);
  t.match(await tryTool('-r', tracked, 'info'), { exitCode: 0 }, 'reading it is fine');
});

t.test('extents', async (t) => {
  const file = await images(t, 'monolithicFlat');
  const extent = file('monolithicFlat-flat.vmdk');
  const open = async (from: string | RegExp, to: string, vixError: number, warning: RegExp) => {
    copyFileSync(file('monolithicFlat.vmdk'), file('other.vmdk'));
    edit(file('other.vmdk'), from, to);
    await refused(t, ['-r', file('other.vmdk')], vixError, warning);
  };
  const name = '"monolithicFlat-flat.vmdk"';
  await open(name, '"gone.vmdk"', 4, /\/gone\.vmdk: no such file$/);
  await open(name, `"${extent}"`, 22, /not in the directory of the descriptor; put it there/);
  await open(name, '"../a.vmdk"', 22, /not in the directory of the descriptor/);
  await open(name, '"C:\\a.vmdk"', 22, /not in the directory of the descriptor/);
  await open(name, '"other.vmdk"', 16063, /the file "other\.vmdk" is used twice/);
  await open(/(RW .*)\n/, '$1\n$1\n', 16063, /"monolithicFlat-flat\.vmdk" is used twice/);
  await open(/ FLAT .*/, ` SPARSE ${name} 1`, 16063, /only a flat extent can have an offset/);
  symlinkSync(extent, file('link.vmdk'));
  await open(name, '"link.vmdk"', 22, /link\.vmdk: an extent may not be a symbolic link$/);
  edit(file('monolithicFlat.vmdk'), 'RW ', 'RDONLY ');
  await refused(t, [file('monolithicFlat.vmdk')], 13, /RDONLY.*use -r/);
  truncateSync(extent, SIZE_BYTES - 1);
  const short = /monolithicFlat-flat\.vmdk: the extent is truncated: it has 9437183 bytes/;
  await refused(t, ['-r', file('monolithicFlat.vmdk')], 16063, short);
});

t.test('truncated files', async (t) => {
  const file = await images(t, 'monolithicSparse', 'twoGbMaxExtentSparse', 'streamOptimized');
  for (const subformat of ['monolithicSparse', 'streamOptimized']) {
    const whole = readFileSync(file(`${subformat}.vmdk`));
    for (const bytes of [100, 512, 1024, 20_000, 100_000, whole.length - 20_000]) {
      writeFileSync(file('cut.vmdk'), whole.subarray(0, bytes));
      await refused(t, ['-r', file('cut.vmdk')], 16063, /cut\.vmdk: the file is truncated/);
    }
  }
  const extent = file('twoGbMaxExtentSparse-s001.vmdk');
  truncateSync(extent, 3_000_000);
  const short = /twoGbMaxExtentSparse-s001\.vmdk: the file is truncated/;
  await refused(t, ['-r', file('twoGbMaxExtentSparse.vmdk')], 16063, short);
});

t.test('parts of disks, and disks in parts', async (t) => {
  const file = await images(t, 'twoGbMaxExtentSparse', 'monolithicSparse');
  const extent = file('twoGbMaxExtentSparse-s001.vmdk');
  await refused(t, ['-r', extent], 16003, /only one extent of a disk; open the descriptor/);
  const descriptor = file('twoGbMaxExtentSparse.vmdk');
  edit(descriptor, /RW \d+ /, 'RW 4192256 ');
  await refused(t, ['-r', descriptor], 16010, /gives this extent 4192256 sectors, its own header/);
  edit(descriptor, '"twoGbMaxExtentSparse"', '"monolithicSparse"');
  await refused(t, ['-r', descriptor], 16063, /descriptor inside its sparse file/);
});

t.test('what can only be read', async (t) => {
  const file = await images(t, 'streamOptimized');
  const readOnly = /streamOptimized file can't be written, .* use -r/;
  await refused(t, [file('streamOptimized.vmdk')], 16013, readOnly);

  const dir = path.dirname(file('x'));
  await makeEmpty(file('disk.vmdk'), SIZE_BYTES, 'monolithicSparse');
  chmodSync(dir, 0o555);
  await refused(t, [file('disk.vmdk')], 13, /its directory is read-only.*use -r/);
  t.match(await tryTool('-r', file('disk.vmdk'), 'info'), { exitCode: 0 });
  chmodSync(dir, 0o755);
});

t.test('versions and flags of the sparse format', async (t) => {
  const file = await images(t, 'monolithicSparse');
  const change = (offset: number, value: number): void => {
    const image = readFileSync(file('monolithicSparse.vmdk'));
    image.writeUInt32LE(value, offset);
    writeFileSync(file('other.vmdk'), image);
  };
  change(4, 4);
  await refused(t, ['-r', file('other.vmdk')], 16011, /version 4 of the sparse format/);
  change(4, 3);
  await refused(t, [file('other.vmdk')], 16013, /version 3 .*changed block tracking.* use -r/);
  t.match(await tryTool('-r', file('other.vmdk'), 'info'), { exitCode: 0 });
  change(8, 0x103);
  await refused(t, [file('other.vmdk')], 16013, /unknown flags \(0x103\)/);
  change(73, 0x0a0d0a20);
  await refused(t, ['-r', file('other.vmdk')], 16063, /line ends were changed.*copy it again/);
});

t.test('zeroes behind the text of a descriptor', async (t) => {
  const file = await images(t, 'monolithicFlat');
  const disk = file('monolithicFlat.vmdk');
  const text = readFileSync(disk, 'latin1').replace(/\0+$/, '');
  /** What qemu writes when its new CID has that many digits. */
  const leaveBehind = (digits: number): void => {
    const room = Buffer.alloc(20 * 512);
    room.write(text, 'latin1');
    const shorter = text.replace(/^CID=.*$/m, `CID=${'7'.repeat(digits)}`);
    room.write(`${shorter}\0`, 'latin1');
    writeFileSync(disk, room);
  };
  for (const digits of [1, 4, 7, 8]) {
    leaveBehind(digits);
    t.match(await tryTool(disk, 'info'), { exitCode: 0, stderr: '' }, `${digits} digits`);
  }
  const room = Buffer.alloc(20 * 512);
  room.write(text.replace('RW ', '\0W '), 'latin1');
  writeFileSync(disk, room);
  await refused(t, ['-r', disk], 16063, /the descriptor contains zero bytes$/);
});
