// The arenas against a child that holds both descriptors and wants to do harm.
import t from 'tap';
import { execa } from 'execa';
import { readFileSync, readdirSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { join } from 'node:path';
import { Arenas } from '../../src/arena/arena.js';
import { VddkNbdError } from '../../src/base/errors.js';
import { MEMORY_BYTES_MIN, PIECE_BYTES_MAX } from '../../src/base/limits.js';

const { EACCES, EPERM } = osConstants.errno;
const PAGE_BYTES = 4096;

/** Kilobytes of `field` over the mappings of the arenas in this process. */
function smaps(name: string, field: string): number {
  const blocks = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const ours = blocks.filter((block) => block.includes(`memfd:${name}`));
  return ours.reduce(
    (sum, block) => sum + Number(new RegExp(`${field}: +(\\d+)`).exec(block)?.[1]),
    0,
  );
}

const openFds = (): number => readdirSync('/proc/self/fd').length;

t.test('sizes', async (t) => {
  const arenas = Arenas.create(MEMORY_BYTES_MIN + 12345);
  t.teardown(() => {
    arenas.close();
  });
  t.equal(arenas.arenaBytes, MEMORY_BYTES_MIN / 2);
  t.equal(arenas.zeroOffsetBytes, arenas.arenaBytes - PIECE_BYTES_MAX);
  t.equal(arenas.read.bytes, arenas.arenaBytes);
  t.equal(arenas.write.bytes, arenas.zeroOffsetBytes, 'the zeroes are never lent');
  t.throws(() => Arenas.create(4 * PIECE_BYTES_MAX - 1), /a piece to lend/);
});

t.test('pages are there when they are touched, and in no core file', async (t) => {
  const arenas = Arenas.create(256 * 1024 * 1024);
  t.teardown(() => {
    arenas.close();
  });
  const before = smaps('vddk-nbd', 'Rss');
  const slot = arenas.read.allocate(PAGE_BYTES)!;
  slot.view(0, PAGE_BYTES).fill(1);
  t.equal(smaps('vddk-nbd', 'Rss') - before, 4);
  const flags = /memfd:vddk-nbd-write[^]*?VmFlags: (.*)/.exec(
    readFileSync('/proc/self/smaps', 'utf8'),
  );
  t.match(flags?.[1], /\bdd\b/);
});

t.test('what a helper can do to them', async (t) => {
  const arenas = Arenas.create(MEMORY_BYTES_MIN);
  t.teardown(() => {
    arenas.close();
  });
  const program = join(t.testdir(), 'intruder');
  await execa('gcc', [
    '-std=c11',
    '-D_GNU_SOURCE',
    '-o',
    program,
    join(import.meta.dirname, 'intruder.c'),
  ]);
  const [slot, readSlot] = [arenas.write.allocate(PAGE_BYTES)!, arenas.read.allocate(PAGE_BYTES)!];
  const [sent, received] = [slot.view(0, PAGE_BYTES), readSlot.view(0, PAGE_BYTES)];
  sent.fill('w');
  const { stdout } = await execa(program, {
    stdio: ['ignore', 'pipe', 'inherit', 'ignore', arenas.readFd as 4, arenas.writeFd as 5],
  });
  const refused = (suffix: string): [string, string][] => [
    [`map writable${suffix}`, String(EPERM)],
    [`write${suffix}`, String(EPERM)],
    [`punch${suffix}`, String(EPERM)],
    [`zero${suffix}`, 'refused'],
    [`shrink${suffix}`, String(EPERM)],
    [`grow${suffix}`, String(EPERM)],
    [`seal${suffix}`, String(EPERM)],
  ];
  const expected = new Map([
    ['map readable', 'ok'],
    ['read', 'ok'],
    ['protect', String(EACCES)],
    ['remove', String(EACCES)],
    ...refused(''),
    ['reopen', 'ok'],
    ...refused(' reopened'),
    ['truncate by path', String(EPERM)],
    ['read arena: map writable', 'ok'],
    ['read arena: shrink', String(EPERM)],
    ['read arena: grow', String(EPERM)],
    ['read arena: seal', String(EPERM)],
  ]);
  const lines = stdout.trim().split('\n');
  t.equal(lines.length, expected.size);
  for (const line of lines) {
    const [, name, outcome] = /^(.*) (\w+)$/.exec(line)!;
    if (expected.get(name!) === 'refused') t.not(outcome, 'ok', line);
    else t.equal(outcome, expected.get(name!), line);
  }
  t.ok(sent.equals(Buffer.alloc(PAGE_BYTES, 'w')), 'not a byte has changed');
  t.equal(received[0], 'r'.charCodeAt(0), 'what it wrote where it may is here');
});

t.test('closing', async (t) => {
  const before = openFds();
  const arenas = Arenas.create(MEMORY_BYTES_MIN);
  const view = arenas.read.allocate(10)!.view(0, 10);
  t.equal(openFds(), before + 2);
  arenas.close();
  arenas.close();
  t.equal(openFds(), before);
  view.fill(7);
  t.equal(view[9], 7, 'a view that is still held is still mapped');
});

t.test('the mapping goes with the last view', async (t) => {
  const script = `
    const { createRequire } = await import('node:module');
    const { create, close } = createRequire(process.cwd() + '/')(process.argv[1]);
    const { readFileSync } = await import('node:fs');
    let arena = create('vddk-nbd-gone', 1 << 20, true);
    close(arena.fd);
    arena = undefined;
    gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
    console.log(readFileSync('/proc/self/maps', 'utf8').includes('vddk-nbd-gone'));`;
  const addon = join(import.meta.dirname, '../../build/addon/arena.node');
  const args = ['--expose-gc', '--input-type=module', '-e', script, addon];
  t.equal((await execa(process.execPath, args)).stdout, 'false');
});

t.test('what is missing', async (t) => {
  const before = openFds();
  const fails = (make: () => unknown, message: RegExp, hint: RegExp): void => {
    try {
      make();
      t.fail('created');
    } catch (thrown) {
      t.ok(thrown instanceof VddkNbdError && thrown.code === 'SYSTEM');
      t.match(thrown, { message, hint });
    }
  };
  fails(
    () => Arenas.create(MEMORY_BYTES_MIN, '/nonexistent/arena.node'),
    /^can't load \/nonexistent\/arena.node: [^\n]+$/,
    /Run make/,
  );
  fails(() => Arenas.create(2 ** 45), /^can't create an arena of \d+ bytes: /, /--memory/);
  t.equal(openFds(), before);
});
