// -D: what nbdkit's debug flags show in the log, and that they show nothing without -v.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { type Ended, REPO, runServe, shortDir } from '../lib/serve.js';

const MIB = 1 << 20;

async function serving(t: Test, flags: string[], fault = '', command = 'nbdcopy "$uri" null:') {
  const dir = shortDir(t);
  const file = path.join(dir, 'disk.img');
  writeFileSync(file, Buffer.alloc(4 * MIB, 1));
  const argv = [...flags, `file=${file}`, `libdir=${path.join(REPO, 'build/fault')}`];
  return runServe([...argv, '-r', '--run', command], {
    env: { FAULT: fault, FAULT_STATE: path.join(dir, 'state'), FAULT_TRANSPORT: 'nbdssl' },
  });
}

/** The row of a function in the table of -D vddk.stats=1. */
function row({ stderr }: Ended, name: string): { us: number; calls: number; bytes: number } {
  const columns = new RegExp(`^vddk-nbd: debug: ${name} +(\\d+) +(\\d+) *(\\d*)$`, 'm');
  const [, us, calls, bytes] = columns.exec(stderr) ?? [];
  return { us: Number(us), calls: Number(calls), bytes: Number(bytes) };
}

t.test('stats', async (t) => {
  const ended = await serving(t, ['-v', '-D', 'vddk.stats=1'], 'delay=50ms at=Open');
  t.equal(ended.exitCode, 0);
  t.match(
    ended.stderr,
    /VDDK function stats \(-D vddk\.stats=1\):\n.*VixDiskLib_\.\.\. +us calls +bytes/,
  );
  t.equal(row(ended, 'ReadAsync').bytes, 4 * MIB, 'each byte once');
  t.equal(row(ended, 'Open').calls, 1);
  t.equal(row(ended, 'Open').bytes, 0);
  t.ok(row(ended, 'Open').us >= 50_000);
  t.equal(row(ended, 'Exit').calls, 1);
  const names = [...ended.stderr.matchAll(/debug: (\w+) +(\d+) +\d+ *\d*$/gm)];
  const times = names.map(([, , us]) => Number(us));
  t.same(
    times,
    [...times].sort((a, b) => b - a),
    'what took longest is first',
  );
});

t.test('stats of all helpers, the dead ones too', async (t) => {
  // Nothing is read ahead, in larger reads: each request is one call.
  const flags = ['-v', '-D', 'vddk.stats=1', '--no-spare', '--readahead=off'];
  const copy = 'nbdcopy --request-size=65536 --requests=1 "$uri" null:';
  const ended = await serving(t, flags, 'crash=segv at=ReadAsync every=20', copy);
  t.equal(ended.exitCode, 0, ended.stderr);
  const deaths = ended.stderr.split('helper replaced').length - 1;
  t.ok(deaths >= 2, `${deaths} deaths`);
  t.equal(row(ended, 'Open').calls, deaths + 1);
  t.ok(row(ended, 'ReadAsync').bytes >= 4 * MIB);
});

t.test('stats of a start that fails', async (t) => {
  const ended = await serving(t, ['-v', '-D', 'vddk.stats=1'], 'error=13 at=Open');
  t.equal(ended.exitCode, 1);
  t.equal(row(ended, 'InitEx').calls, 1);
});

t.test('extents', async (t) => {
  const flags = ['-v', '-D', 'vddk.extents=1'];
  const { stderr } = await serving(t, flags, '', 'nbdinfo --map "$uri"');
  t.match(stderr, `adding extent type allocated data at [0...${4 * MIB - 1}] (length ${4 * MIB})`);
});

t.test('datapath', async (t) => {
  const read = /call: VixDiskLib_ReadAsync: \d+ sectors at sector \d+/;
  t.match((await serving(t, ['-v', '-D', 'vddk.datapath=1'])).stderr, read);
  const { stderr } = await serving(t, ['-v', '-D', 'vddk.datapath=0']);
  t.notMatch(stderr, read);
  t.match(stderr, /call: VixDiskLib_Open/, 'other calls are told');
});

t.test('diskinfo', async (t) => {
  const { stderr } = await serving(t, ['-v', '-D', 'vddk.diskinfo=1']);
  t.match(stderr, /disk info: capacitySectors: 8192/);
});

t.test('without -v they are silent', async (t) => {
  const all = ['stats', 'extents', 'datapath', 'diskinfo'].flatMap((n) => ['-D', `vddk.${n}=1`]);
  const flags = ['-D', 'nbdkit.backend.datapath=0', ...all];
  const { exitCode, stderr } = await serving(t, flags, '', 'nbdinfo --map "$uri"');
  t.equal(exitCode, 0);
  t.match(stderr, /^vddk-nbd: nbd[^\n]* serves [^\n]*$/);
});
