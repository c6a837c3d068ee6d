// The library as a file: where it lies, what it exports, what it needs.
import path from 'node:path';
import t from 'tap';
import { must, REPO } from '../lib/serve.js';

const LIBRARY = path.join(REPO, 'build/builtin/lib64/libvixDiskLib.so.8');

/** The functions that nbdkit's vddk plugin resolves. */
const FUNCTIONS = `
  AllocateConnectParams Close ConnectEx Create Disconnect Exit Flush FreeBlockList
  FreeConnectParams FreeErrorText FreeInfo GetErrorText GetInfo GetTransportMode InitEx
  ListTransportModes Open QueryAllocatedBlocks Read ReadAsync Wait Write WriteAsync`;

t.test('exports the functions and nothing else', async (t) => {
  const symbols = await must('nm', ['-D', '--defined-only', '--format=just-symbols', LIBRARY]);
  const expected = FUNCTIONS.trim().split(/\s+/);
  t.same(
    symbols.split('\n').sort(),
    expected.map((name) => `VixDiskLib_${name}`),
  );
});

t.test('needs only libc and libdeflate, and is called libvixDiskLib.so.8', async (t) => {
  const dynamic = await must('readelf', ['--dynamic', LIBRARY]);
  const names = (tag: string): string[] =>
    [...dynamic.matchAll(new RegExp(`\\(${tag}\\).*\\[(.*)\\]`, 'g'))].map((match) => match[1]!);
  // The dynamic linker belongs to libc; variables of a thread need it by name.
  const needed = names('NEEDED').filter((name) => !name.startsWith('ld-linux'));
  t.same(needed.sort(), ['libc.so.6', 'libdeflate.so.0']);
  t.same(names('SONAME'), ['libvixDiskLib.so.8']);
});

t.test("never calls a program's symbol instead of its own", async (t) => {
  const relocations = await must('readelf', ['--relocs', '--wide', LIBRARY]);
  t.match(relocations, /pwrite/, 'there are relocations to look at');
  t.notMatch(relocations, /VixDiskLib_/);
});
