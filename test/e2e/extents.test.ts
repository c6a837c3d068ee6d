// What real clients are told about a disk and its holes, against what nbdkit 1.45.1's vddk plugin
// tells with the same library (the fault engine, with its rule `any-thread`): the same, but for the
// differences that docs/nbd-support.md lists. What nbdkit said is written down here.
import { randomBytes } from 'node:crypto';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { readState } from '../fault-engine/engine.js';
import { REPO, runServe, shortDir } from '../lib/serve.js';

const LIBDIR = `libdir=${path.join(REPO, 'build/fault')}`;
const MIB = 1024 * 1024;
/** The engine is believed only where it does not say that the disk is a local file. */
const REMOTE = { FAULT_TRANSPORT: 'nbdssl' };

/** Four whole chunks of 64 KiB and three sectors; the first chunk is allocated. */
function unevenImage(dir: string): string {
  const image = path.join(dir, 'disk.img');
  writeFileSync(image, 'data');
  truncateSync(image, 4 * 65_536 + 3 * 512);
  return image;
}

/** What nbdkit says of a disk, read-only and writable. */
const NBDKIT = {
  is_rotational: false,
  can_cache: false,
  can_df: true,
  can_flush: true,
  can_multi_conn: false,
  can_trim: false,
  block_size_minimum: 512,
  block_size_preferred: 4096,
  block_size_maximum: 4294967295,
  contexts: ['base:allocation'],
};
const NBDKIT_READ_ONLY = { ...NBDKIT, can_fast_zero: false, can_fua: false, can_zero: false };
const NBDKIT_WRITABLE = { ...NBDKIT, can_fast_zero: true, can_fua: true, can_zero: true };
/** The table of differences. */
const OURS = {
  can_cache: true,
  can_multi_conn: true,
  block_size_minimum: 1,
  block_size_maximum: 32 * MIB,
};

t.test('nbdinfo --json', async (t) => {
  const image = unevenImage(shortDir(t));
  for (const [args, nbdkit, ours] of [
    [['-r'], NBDKIT_READ_ONLY, { ...OURS, can_flush: false }],
    [[], NBDKIT_WRITABLE, OURS],
  ] as const) {
    const result = await runServe(
      [...args, LIBDIR, `file=${image}`, '--run', 'nbdinfo --json "$uri"'],
      { env: REMOTE },
    );
    t.equal(result.exitCode, 0, result.stderr);
    const { exports, ...connection } = JSON.parse(result.stdout) as { exports: object[] };
    t.match(connection, { protocol: 'newstyle-fixed', TLS: false, structured: true });
    t.match(exports, [{ ...nbdkit, ...ours, is_read_only: args.length > 0 }]);
  }
});

t.test('nbdinfo --map', async (t) => {
  const image = unevenImage(shortDir(t));
  const lines = (zero: string): RegExp =>
    new RegExp(`^0 65536 0 data 65536 196608 ${zero} 262144 1536 0 data $`);
  for (const [args, env, expected] of [
    [['-r'], REMOTE, lines('3 hole,zero')],
    [[], REMOTE, lines('3 hole,zero')],
    [['-r', 'single-link=true'], REMOTE, lines('1 hole')],
    // nbdkit believes VDDK about local files, which has been seen to call data holes.
    [['-r'], {}, /^0 263680 0 data $/],
  ] as const) {
    const result = await runServe(
      [...args, LIBDIR, `file=${image}`, '--run', 'nbdinfo --map "$uri"'],
      { env },
    );
    t.match(`${result.stdout.trim().split(/\s+/).join(' ')} `, expected, args.join(' '));
  }
});

t.test('many connections, one open disk, one question about it', async (t) => {
  const dir = shortDir(t);
  const [image, copy, state] = ['disk.img', 'copy', 'state'].map((name) => path.join(dir, name));
  const content = randomBytes(64 * MIB).fill(0, 10 * MIB, 40 * MIB);
  writeFileSync(image!, content);
  const result = await runServe(
    [
      '-r',
      LIBDIR,
      `file=${image!}`,
      '--run',
      `nbdcopy --connections=4 "$uri" ${copy!} && nbdinfo --map "$uri" && nbdinfo --map "$uri"`,
    ],
    { env: { ...REMOTE, FAULT_STATE: state! } },
  );
  t.equal(result.exitCode, 0, result.stderr);
  t.ok(readFileSync(copy!).equals(content));
  const { calls } = readState(state!);
  t.equal(calls.Open, 1, 'opened once');
  t.equal(calls.QueryAllocatedBlocks, 1, 'asked once');
});

t.test('what is known outlives helpers', async (t) => {
  const dir = shortDir(t);
  const [image, state] = ['disk.img', 'state'].map((name) => path.join(dir, name));
  writeFileSync(image!, randomBytes(MIB));
  truncateSync(image!, 4 * MIB);
  const result = await runServe(
    [
      '-r',
      LIBDIR,
      `file=${image!}`,
      '--run',
      'nbdinfo --map "$uri"; nbdcopy "$uri" null:; nbdinfo --map "$uri"',
    ],
    { env: { ...REMOTE, FAULT_STATE: state!, FAULT: 'crash=segv at=ReadAsync once' } },
  );
  t.match(result, { exitCode: 0, stderr: /helper replaced/ });
  const rows = result.stdout.split('\n').map((row) => row.trim());
  t.equal(rows.length, 4);
  t.same(rows.slice(0, 2), rows.slice(2));
  t.match(readState(state!), { crashes: 1, calls: { QueryAllocatedBlocks: 1 } });
});

t.test('a question that kills the helper is not asked again and again', async (t) => {
  const dir = shortDir(t);
  const [image, state] = ['disk.img', 'state'].map((name) => path.join(dir, name));
  writeFileSync(image!, randomBytes(MIB));
  const result = await runServe(['-r', LIBDIR, `file=${image!}`, '--run', 'nbdinfo --map "$uri"'], {
    env: { ...REMOTE, FAULT_STATE: state!, FAULT: 'crash=segv at=QueryAllocatedBlocks' },
  });
  t.equal(result.exitCode, 0, result.stderr);
  t.match(result.stdout, /^ *0 +1048576 +0 +data$/);
  t.ok(readState(state!).calls.QueryAllocatedBlocks <= 8);
});
