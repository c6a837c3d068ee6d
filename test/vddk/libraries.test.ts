// The choice of a library: which files are candidates, in which order, and what InitEx is told.
import { mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { VddkNbdError } from '../../src/base/errors.js';
import { directoriesInCache, linkerDirectories } from '../../src/vddk/system-libraries.js';
import { findLibraries, librariesIn, type LibrarySearch } from '../../src/vddk/libraries.js';

const LIB = 'libvixDiskLib.so';

t.test('three forms of a libdir', (t) => {
  const dir = t.testdir({
    distrib: { lib64: { [`${LIB}.8`]: '', [`${LIB}.6`]: '', [`${LIB}.10`]: '', [LIB]: '' } },
    flat: { [`${LIB}.7`]: '' },
    empty: {},
  });
  const distrib = path.join(dir, 'distrib');
  const expected = {
    candidates: [path.join(distrib, 'lib64', `${LIB}.8`), path.join(distrib, 'lib64', `${LIB}.6`)],
    libdir: distrib,
  };
  t.same(librariesIn(distrib), expected, 'the top of a distribution');
  t.same(librariesIn(path.join(distrib, 'lib64')), expected, 'its lib64');
  const flat = path.join(dir, 'flat');
  t.same(librariesIn(flat), { candidates: [path.join(flat, `${LIB}.7`)], libdir: flat });
  t.equal(librariesIn(path.join(dir, 'empty')), undefined);
  t.equal(librariesIn(path.join(dir, 'missing')), undefined);
  t.end();
});

t.test('links to a distribution', (t) => {
  const dir = t.testdir({ distrib: { lib64: { [`${LIB}.8`]: '' } }, collected: {}, empty: {} });
  const at = (name: string): string => path.join(dir, name);
  symlinkSync(at('distrib/lib64'), at('vddk'));
  symlinkSync(at(`distrib/lib64/${LIB}.8`), at(`collected/${LIB}.8`));
  symlinkSync(at('distrib'), at('top'));
  t.same(librariesIn(at('vddk')), { candidates: [at(`vddk/${LIB}.8`)], libdir: at('distrib') });
  t.same(librariesIn(at('top'))?.libdir, at('top'));
  t.same(librariesIn(at('top/lib64'))?.libdir, at('top'));
  t.equal(librariesIn(at('collected'))?.libdir, at('distrib'));
  symlinkSync(at('gone'), at(`empty/${LIB}.9`));
  const dangling = { candidates: [at(`empty/${LIB}.9`)], libdir: at('empty') };
  t.same(librariesIn(at('empty')), dangling, 'the linker shall say what is wrong with it');
  t.end();
});

t.test('what is passed over is told', (t) => {
  const dir = t.testdir({
    builtin: { lib64: { [`${LIB}.8`]: '' } },
    usual: { lib64: { [`${LIB}.7`]: '' } },
    empty: {},
  });
  const at = (name: string): string => path.join(dir, name);
  mkdirSync(at('dangling/lib64'), { recursive: true });
  symlinkSync(at('gone'), at(`dangling/lib64/${LIB}.9`));
  const find = (change: Partial<LibrarySearch>) =>
    findLibraries({
      engine: 'auto',
      libdir: undefined,
      environmentLibdir: undefined,
      ldLibraryPath: undefined,
      builtinDir: at('builtin'),
      usualLibdirs: [at('usual')],
      ...change,
    });
  t.same(find({}).passedOver, []);
  const wrong = { environmentLibdir: at('empty') };
  const isEmpty = /^VDDK_LIBDIR is .*empty, but there is no libvixDiskLib/;
  t.match(find(wrong), { libdir: at('usual'), passedOver: [isEmpty] });
  const nowhere = { ...wrong, usualLibdirs: [at('dangling'), at('empty')] };
  const isDangling = /libvixDiskLib\.so\.9: a link to a file that is not there$/;
  t.match(find(nowhere), { engine: 'builtin', passedOver: [isEmpty, isDangling] });
  t.throws(() => find({ ...nowhere, engine: 'vddk' }), {
    message: /^VDDK was not found in .*; VDDK_LIBDIR is .*; .*a link to a file that is not there$/,
  });
  t.match(find({ ...wrong, libdir: at('usual') }), { passedOver: [] }, 'libdir= is alone');
  t.end();
});

t.test('which engine is taken', (t) => {
  const dir = t.testdir({
    builtin: { lib64: { [`${LIB}.8`]: '' } },
    usual: { lib64: { [`${LIB}.7`]: '' } },
    environment: { lib64: { [`${LIB}.9`]: '' } },
    empty: {},
  });
  const search: LibrarySearch = {
    engine: 'auto',
    libdir: undefined,
    environmentLibdir: undefined,
    ldLibraryPath: undefined,
    builtinDir: path.join(dir, 'builtin'),
    usualLibdirs: [path.join(dir, 'empty'), path.join(dir, 'usual')],
  };
  const taken = (change: Partial<LibrarySearch>): string => {
    try {
      const found = findLibraries({ ...search, ...change });
      return `${found.engine} ${path.basename(found.libdir)}`;
    } catch (error) {
      return error instanceof VddkNbdError ? `${error.code}: ${error.message}` : 'no VddkNbdError';
    }
  };
  const nothing = { usualLibdirs: [path.join(dir, 'empty')] };
  const at = (name: string): string => path.join(dir, name);
  t.equal(taken({}), 'vddk usual');
  t.equal(taken({ environmentLibdir: at('environment') }), 'vddk environment');
  t.equal(taken({ libdir: at('environment') }), 'vddk environment');
  t.equal(
    taken({ ...nothing, ldLibraryPath: `${at('empty')}:${at('usual/lib64')}` }),
    'vddk usual',
  );
  t.equal(taken({ ...nothing, ldLibraryPath: at('builtin/lib64') }), 'builtin builtin');
  t.equal(taken(nothing), 'builtin builtin');
  t.equal(taken({ engine: 'builtin' }), 'builtin builtin');
  t.equal(taken({ libdir: at('builtin') }), 'builtin builtin', 'named by its path');
  mkdirSync(at('linked'));
  symlinkSync(at('builtin/lib64'), at('linked/lib64'));
  t.equal(taken({ libdir: at('linked') }), 'builtin linked', 'and by a link');
  t.equal(taken({ ...nothing, ldLibraryPath: at('linked/lib64') }), 'builtin builtin');
  t.match(taken({ libdir: at('empty') }), /^START: no libvixDiskLib\.so\.5 to \.so\.9 in /);
  t.match(taken({ libdir: at('usual'), engine: 'builtin' }), /^USAGE: .*exclude each other/);
  t.match(taken({ ...nothing, needsVddk: true }), /^START: VDDK was not found in .*empty/);
  t.match(taken({ needsVddk: true, libdir: at('builtin') }), /^USAGE: .*has local disks only/);
  t.match(taken({ ...nothing, engine: 'vddk' }), /^START: VDDK was not found in .*empty/);
  t.match(taken({ ...nothing, builtinDir: at('empty') }), /^SYSTEM: the built-in engine/);
  t.end();
});

t.test("the linker's directories", (t) => {
  const cache = Buffer.from(
    'glibc-ld.so.cache1.1\0libvixDiskLib.so.8\0/opt/vddk ☃/lib64/libvixDiskLib.so.8\0' +
      'libc.so.6\0/lib/x86_64-linux-gnu/libc.so.6\0/opt/libvixDiskLib.so\0',
  );
  t.same(directoriesInCache(cache), ['/opt/vddk ☃/lib64']);
  t.same(linkerDirectories('/a::/b').slice(0, 2), ['/a', '/b']);
  t.ok(linkerDirectories(undefined).includes('/usr/lib64'));
  t.end();
});
