// Several disks by name: opened when somebody asks, by one attempt for all, and closed once.
import fc from 'fast-check';
import t from 'tap';
import { VddkNbdError } from '../../src/base/errors.js';
import { EXPORTS_MAX, OPEN_RETRY_MS } from '../../src/base/limits.js';
import { createLog, silentLog } from '../../src/base/log.js';
import type { HelperDisk } from '../../src/disk/helper-disk.js';
import { MemoryDisk } from '../../src/disk/memory-disk.js';
import { DiskSet } from '../../src/program/disk-set.js';
import type { OpenedDisk } from '../../src/program/open-disk.js';
import { parseExports } from '../../src/program/plan-disks.js';
import { ManualClock } from '../lib/sim-helper.js';

/** An open disk; only what a Disk has is used of it here. */
function opened(): OpenedDisk {
  const disk = new MemoryDisk({ data: Buffer.alloc(4096) }) as unknown as HelperDisk;
  return { disk, engine: 'no engine' };
}

const specs = [
  { name: 'a', file: '/a.vmdk' },
  { name: 'b', file: '/b.vmdk' },
];

t.test('--export', (t) => {
  t.same(parseExports(['a=/vm/x=y.vmdk', 'b c=/z']), [
    { name: 'a', file: '/vm/x=y.vmdk' },
    { name: 'b c', file: '/z' },
  ]);
  for (const text of ['', 'a', 'a=', '=/x', '/x']) {
    t.throws(() => parseExports([text]), { code: 'USAGE', message: /names no export/ }, text);
  }
  t.throws(() => parseExports(['a=/x', 'b=/y', 'a=/z']), { message: /the name 'a'/ });
  t.throws(() => parseExports([`${'é'.repeat(2049)}=/x`]), { message: /too long/ });
  const many = Array.from({ length: EXPORTS_MAX + 1 }, (_, i) => `${i}=/x`);
  t.throws(() => parseExports(many), { message: /257 times/ });
  fc.assert(
    fc.property(
      fc.string().filter((name) => name !== '' && !name.includes('=')),
      (name) => {
        t.same(parseExports([`${name}=/x`]), [{ name, file: '/x' }]);
      },
    ),
    { numRuns: 20 },
  );
  t.end();
});

t.test('opened once, for the first who asks', async (t) => {
  const asked: string[] = [];
  const disks = new DiskSet({
    specs,
    anyName: false,
    open: (file) => {
      asked.push(file);
      return Promise.resolve(opened());
    },
    clock: new ManualClock(),
    log: silentLog,
  });
  t.match(disks.list(), [
    { name: 'a', description: '/a.vmdk' },
    { name: 'b', description: '/b.vmdk' },
  ]);
  t.same(asked, [], 'a list opens nothing');
  const [one, two] = await Promise.all([disks.lookup('b'), disks.lookup('b')]);
  t.match(one, { name: 'b', sizeBytes: 4096 });
  t.equal(one, two);
  t.equal(disks.lookup('b'), one, 'then it is there at once');
  t.match(await disks.lookup(''), { name: 'a' });
  t.same(asked, ['/b.vmdk', '/a.vmdk']);
  t.equal(disks.lookup('c'), 'no export has this name');
  t.same(await disks.close(), []);
});

t.test('one that does not open', async (t) => {
  const clock = new ManualClock();
  const lines: string[] = [];
  let attempts = 0;
  const disks = new DiskSet({
    specs,
    anyName: false,
    open: () => {
      attempts += 1;
      if (attempts > 1) return Promise.resolve(opened());
      return Promise.reject(new VddkNbdError('VIX', 'no\nlogin', { hint: 'Look up user=.' }));
    },
    clock,
    log: createLog({ write: (line) => lines.push(line), verbose: false }),
  });
  const both = await Promise.all([disks.lookup('a'), disks.lookup('a')]);
  t.same(both, Array(2).fill("the disk can't be opened: no login"));
  t.same(lines, ['vddk-nbd: error: export a: /a.vmdk: no login. Look up user=.\n'], 'said once');
  await clock.pass(OPEN_RETRY_MS - 1);
  t.equal(await disks.lookup('a'), both[0]);
  t.equal(attempts, 1, 'not tried again at once');
  await clock.pass(1);
  t.match(await disks.lookup('a'), { name: 'a' });
  t.equal(attempts, 2);
});

t.test('closed while it is being opened', async (t) => {
  const disk = opened();
  let finish: (disk: OpenedDisk) => void = () => undefined;
  const disks = new DiskSet({
    specs,
    anyName: false,
    open: () => new Promise((resolve) => (finish = resolve)),
    clock: new ManualClock(),
    log: silentLog,
  });
  const found = disks.lookup('a');
  t.same(await disks.close(), [], 'not waited for');
  let closed = false;
  disk.disk.close = () => {
    closed = true;
    return Promise.resolve([]);
  };
  finish(disk);
  t.match(await found, /stopping/);
  t.ok(closed);
});

t.test('the reasons of a close say whose they are, where there are several', async (t) => {
  const lossy = (): Promise<OpenedDisk> => {
    const disk = opened();
    disk.disk.close = () => Promise.resolve(['the last flush failed']);
    return Promise.resolve(disk);
  };
  const common = { open: lossy, clock: new ManualClock(), log: silentLog };
  const several = new DiskSet({ specs, anyName: false, ...common });
  await several.lookup('b');
  t.same(await several.close(), ['export b: /b.vmdk: the last flush failed']);
  const one = new DiskSet({ specs: [{ name: '', file: '/x' }], anyName: true, ...common });
  t.match(await one.lookup('whatever'), { name: '' });
  t.same(await one.close(), ['the last flush failed']);
});

t.test('export=: disks that clients name', async (t) => {
  const asked: string[] = [];
  const clock = new ManualClock();
  const disks = new DiskSet({
    specs: [],
    anyName: false,
    allows: (name) => name.startsWith('[ds] '),
    open: (file) => {
      asked.push(file);
      if (file.includes('bad')) return Promise.reject(new VddkNbdError('VIX', 'no such disk'));
      return Promise.resolve(opened());
    },
    clock,
    log: silentLog,
  });
  t.match(await disks.lookup('[ds] a.vmdk'), { name: '[ds] a.vmdk' });
  t.equal(disks.lookup('[ds] a.vmdk'), await disks.lookup('[ds] a.vmdk'), 'opened once');
  for (const name of ['', '/etc/shadow']) t.equal(disks.lookup(name), 'no export has this name');
  t.same(asked, ['[ds] a.vmdk']);
  t.same(disks.list(), [], 'nobody learns what others have asked for');
  for (let i = 1; i < EXPORTS_MAX; i += 1) t.type(await disks.lookup(`[ds] bad ${i}`), 'string');
  t.match(await disks.lookup('[ds] b.vmdk'), { name: '[ds] b.vmdk' }, 'failures take no place');
  for (let i = 2; i < EXPORTS_MAX; i += 1) await disks.lookup(`[ds] ${i}`);
  t.match(disks.lookup('[ds] one more'), /256 disks are open/);
  t.same(await disks.close(), []);
});
