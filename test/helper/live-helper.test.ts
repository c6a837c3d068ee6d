// A helper as a process, played by the fake helper: its life, its ends, and what it leaves behind.
import t from 'tap';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLog } from '../../src/base/log.js';
import type { Helper, HelperIo } from '../../src/helper/helper.js';
import { IO_OPS } from '../../src/helper/protocol.js';
import { type FakeHelper, helloParams, startFakeHelper } from '../lib/fake-helper.js';

/** Runs one request to its answer, or says how the helper ended before. */
function run(helper: Helper, fields: Omit<HelperIo, 'done'>): Promise<number | bigint | string> {
  const answer = new Promise<number | bigint>((resolve) => {
    helper.io({ ...fields, done: resolve });
  });
  return Promise.race([answer, helper.ended.then((end) => end.reason)]);
}

const read = (startSector: number, nrSectors: number, arenaOffset: number) => ({
  ...{ op: IO_OPS.READ, startSector, nrSectors, arenaOffset },
});

/** Whether a process is there and no zombie. */
function lives(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

const openFds = (): number => readdirSync('/proc/self/fd').length;

t.test('a whole life', async (t) => {
  const disk = join(t.testdir({ disk: 'd'.repeat(8192) }), 'disk');
  const trace = join(t.testdir(), 'trace');
  writeFileSync(disk, Buffer.alloc(8192, 'd'));
  const { helper, arenas, open } = startFakeHelper(t.teardown.bind(t), [
    `disk=${disk}`,
    `trace=${trace}`,
  ]);
  t.equal(helper.pid, undefined, 'it is not there yet, and may be asked already');
  await open();
  t.type(helper.pid, 'number');
  const slot = arenas.write.allocate(4096)!;
  slot.view(0, 4096).fill('w');
  const write = { op: IO_OPS.WRITE, startSector: 8, nrSectors: 8, arenaOffset: slot.offsetBytes };
  t.equal(await run(helper, write), 0);
  const flush = { op: IO_OPS.FLUSH, startSector: 0, nrSectors: 0, arenaOffset: 0 };
  t.equal(await run(helper, flush), 0);
  const into = arenas.read.allocate(8192)!;
  t.equal(await run(helper, read(0, 16, into.offsetBytes)), 0);
  t.equal(into.view(0, 8192).toString(), 'd'.repeat(4096) + 'w'.repeat(4096));
  t.equal(readFileSync(disk, 'utf8'), 'd'.repeat(4096) + 'w'.repeat(4096));
  t.strictSame(await helper.call('CLOSE', {}), {});
  helper.endInput();
  t.match(await helper.ended, { exitCode: 0, signal: undefined, reason: 'exited with status 0' });
  t.equal(helper.pid, undefined);
  t.match(readFileSync(trace, 'utf8'), /^WRITE 8 8\nFLUSH 0 0\nREAD 0 16\n$/);
});

t.test('environment and descriptors', async (t) => {
  const out = join(t.testdir(), 'out');
  const saved = process.env['LD_LIBRARY_PATH'];
  process.env['LD_LIBRARY_PATH'] = '/callers';
  t.teardown(() => {
    if (saved === undefined) delete process.env['LD_LIBRARY_PATH'];
    else process.env['LD_LIBRARY_PATH'] = saved;
  });
  const script = `
    const fs = require('fs');
    const [pid] = process.argv.slice(-1);
    const session = fs.readFileSync('/proc/self/stat', 'utf8').replace(/.*\\) /, '').split(' ')[3];
    const fds = fs.readdirSync('/proc/self/fd').map((fd) => {
      try { return fd + ' ' + fs.readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } });
    fs.writeFileSync(process.env.TMPDIR + '/left', 'x');
    fs.writeFileSync(${JSON.stringify(out)}, JSON.stringify({ pid, session: Number(session), own:
      process.pid, env: process.env, fds }));`;
  const { helper } = startFakeHelper(t.teardown.bind(t), [], {
    command: [process.execPath, '-e', script],
    libraryDirs: ['/vddk/lib64', '/vddk'],
  });
  t.match(await helper.ended, { exitCode: 0 });
  const told = JSON.parse(readFileSync(out, 'utf8'));
  t.equal(told.pid, String(process.pid));
  t.equal(told.session, told.own, 'a session of its own');
  t.equal(told.env.LD_LIBRARY_PATH, '/vddk/lib64:/vddk:/callers');
  t.equal(told.env.HOME, process.env['HOME']);
  t.match(
    told.fds.find((fd: string) => fd.startsWith('4 ')),
    /memfd:vddk-nbd-read/,
  );
  t.match(
    told.fds.find((fd: string) => fd.startsWith('5 ')),
    /memfd:vddk-nbd-write/,
  );
  t.equal(told.fds.filter((fd: string) => fd.includes('memfd')).length, 2, 'and no copies of them');
  t.match(told.env.TMPDIR, /\/vddk-nbd-\w+$/);
  t.equal(existsSync(told.env.TMPDIR), false, 'its temp directory is gone');
});

t.test('the verdict', async (t) => {
  const { helper, open } = startFakeHelper(t.teardown.bind(t), ['stuck=READ']);
  await open();
  const { pid } = helper;
  const answered: unknown[] = [];
  helper.io({ ...read(0, 1, 0), done: (vixError) => answered.push(vixError) });
  const call = helper.call('ALLOCATED_BLOCKS', { startSector: 0, nrSectors: 1, chunkSectors: 1 });
  helper.kill('answered nothing for 25 s');
  helper.kill('another reason');
  await t.rejects(call, { code: 'HELPER', message: /the helper answered nothing for 25 s/ });
  const end = await helper.ended;
  t.match(end, { reason: 'answered nothing for 25 s', signal: 'SIGKILL', exitCode: undefined });
  t.notOk(lives(pid!));
  t.equal(helper.takeInFlight().length, 1);
  t.same(answered, []);
});

t.test('a verdict before the start', async (t) => {
  const { helper } = startFakeHelper(t.teardown.bind(t), []);
  helper.kill('was not needed');
  t.same(await helper.ended, { reason: 'was not needed', exitCode: undefined, signal: undefined });
});

/** Whether the process ends within a few seconds. */
async function isGoneSoon(pid: number): Promise<boolean> {
  const deadlineMs = Date.now() + 5000;
  while (lives(pid) && Date.now() < deadlineMs) await new Promise((r) => setTimeout(r, 10));
  return !lives(pid);
}

t.test('what it has started dies with it', async (t) => {
  const out = join(t.testdir(), 'pid');
  const script = `echo $$ > ${out}.tmp; mv ${out}.tmp ${out}; exec sleep 100`;
  const { helper } = startFakeHelper(t.teardown.bind(t), [], {
    command: ['sh', '-c', `sh -c '${script}' & wait`],
  });
  while (!existsSync(out)) await new Promise((resolve) => setTimeout(resolve, 10));
  const pid = Number(readFileSync(out, 'utf8'));
  t.ok(lives(pid));
  helper.kill('was killed');
  await helper.ended;
  t.ok(await isGoneSoon(pid));
});

t.test('what a helper has started ends with it, also when it ended on its own', async (t) => {
  const out = join(t.testdir(), 'pid');
  const script = `echo $$ > ${out}.tmp; mv ${out}.tmp ${out}; exec sleep 100`;
  const wait = `while ! test -e ${out}; do sleep 0.01; done`;
  const { helper } = startFakeHelper(t.teardown.bind(t), [], {
    command: ['sh', '-c', `sh -c '${script}' & ${wait}; exit 3`],
  });
  t.match(await helper.ended, { exitCode: 3 });
  t.ok(await isGoneSoon(Number(readFileSync(out, 'utf8'))));
});

/** Ends of a helper that nobody killed: its options, and the reason. */
const ends: [string, string[], RegExp][] = [
  ['dies before hello', ['die=start'], /^was killed by SIGKILL$/],
  ['exits in hello', ['die=hello', 'exit=71'], /status 71 \(it received.*\): the fake helper was/],
  ['exits in open', ['die=open', 'exit=9'], /^exited with status 9: the fake helper was told/],
  ['dies at the second request', ['die=2'], /^was killed by SIGKILL$/],
  ['panics', ['bad=panic', 'exit=70'], /status 70 \(the library panicked\)/],
  ['speaks another version', ['version=7'], /version 7, this program version 1 \(run make\)/],
  ['sends garbage', ['bad=garbage'], /broke the protocol: a frame is not one msgpack value/],
  ['sends half a frame', ['bad=half-frame'], /ended its control stream inside a frame/],
  ['announces too much', ['bad=oversized'], /a frame of 4294967295 bytes is announced/],
  ['announces nothing', ['bad=empty'], /a frame of 0 bytes is announced/],
  ['sends an unknown kind', ['bad=unknown-kind'], /no message of a helper/],
  ['answers an unknown request', ['bad=unknown-id'], /an I\/O request that is not there/],
  ['answers an unknown call', ['bad=unknown-call'], /a call that is not there/],
  ['sends an unknown event', ['bad=unknown-event'], /unknown name/],
  ['answers twice', ['bad=duplicate'], /an I\/O request that is not there/],
  ['closes its control stream', ['bad=closed-control'], /^ended its control stream$/],
];

for (const [name, options, reason] of ends) {
  t.test(`a helper that ${name}`, async (t) => {
    const { helper, open } = startFakeHelper(t.teardown.bind(t), options);
    const asked = open().then(async () => {
      while (typeof (await run(helper, read(0, 1, 0))) === 'number');
    });
    asked.catch(() => undefined);
    const end = await helper.ended;
    t.match(end.reason, reason);
    await t.rejects(helper.call('PING', {}), { code: 'HELPER' });
    t.ok(helper.takeInFlight().length <= 1);
  });
}

t.test('a panic is told before the end', async (t) => {
  const { helper, open, events } = startFakeHelper(t.teardown.bind(t), ['bad=panic', 'exit=70']);
  await open();
  await helper.ended;
  t.same(events, [{ name: 'panic', text: 'ASSERT' }]);
});

t.test('a helper that can not be started', async (t) => {
  const before = openFds();
  const { helper, arenas } = startFakeHelper(t.teardown.bind(t), [], {
    command: ['/nonexistent/helper'],
  });
  const hello = helper.call('HELLO', helloParams(arenas));
  helper.io({ ...read(0, 1, 0), done: () => t.fail('answered') });
  await t.rejects(hello, { code: 'HELPER', message: /could not be started: .*ENOENT/ });
  t.match(await helper.ended, { reason: /ENOENT/, exitCode: undefined });
  t.equal(helper.takeInFlight().length, 1);
  arenas.close();
  t.equal(openFds(), before);
});

t.test('no temp directory can be made', async (t) => {
  const saved = process.env['TMPDIR'];
  process.env['TMPDIR'] = '/nonexistent';
  t.teardown(() => {
    if (saved === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = saved;
  });
  const { helper } = startFakeHelper(t.teardown.bind(t), []);
  t.match(await helper.ended, { reason: /^could not be started: ENOENT.*mkdtemp/ });
});

t.test('refusals reach the caller, and the helper lives on', async (t) => {
  const refusing = ['refuse=OPEN', 'vix=16064', 'text=no such disk'];
  const one = startFakeHelper(t.teardown.bind(t), refusing);
  await t.rejects(one.open(), {
    name: 'HelperCallError',
    vixError: 16064,
    message: 'no such disk',
  });
  t.match(await one.helper.call('PING', {}), { inCallMs: 0 });

  const two = startFakeHelper(t.teardown.bind(t), ['failIo=1', 'vix=13']);
  await two.open();
  t.equal(await run(two.helper, read(0, 1, 0)), 13);
  t.match(two.events, [{ name: 'log', level: 'helper', text: /READAsync/ }]);
  t.equal(await run(two.helper, read(0, 1, 0)), 0);
});

t.test('floods are cut and do not stop requests', async (t) => {
  for (const bad of ['flood', 'flood-stderr']) {
    const { helper, open, lines, events } = startFakeHelper(t.teardown.bind(t), [`bad=${bad}`]);
    await open();
    for (let count = 0; count < 200; count++) t.equal(await run(helper, read(0, 8, 0)), 0);
    helper.kill('was killed');
    await helper.ended;
    t.ok(lines.every((line) => line.length < 4200));
    if (bad === 'flood') t.ok(events.length > 0);
  }
});

t.test('stdout and stderr are log lines', async (t) => {
  const { helper, lines } = startFakeHelper(t.teardown.bind(t), [], {
    command: ['sh', '-c', 'echo out; echo err >&2; exit 3'],
  });
  t.match(await helper.ended, { reason: 'exited with status 3: err', exitCode: 3 });
  t.ok(lines.some((line) => /^vddk-nbd: debug: helper \d+ stdout: out\n$/.test(line)));
  t.ok(lines.some((line) => /^vddk-nbd: debug: helper \d+ stderr: err\n$/.test(line)));
});

t.test('one that ignores SIGTERM ends all the same', async (t) => {
  const { helper, open } = startFakeHelper(t.teardown.bind(t), ['deaf=SIGTERM']);
  await open();
  process.kill(helper.pid!, 'SIGTERM');
  t.equal(await run(helper, read(0, 1, 0)), 0, 'it does ignore it');
  helper.kill('was killed');
  t.match(await helper.ended, { signal: 'SIGKILL', reason: 'was killed' });
});

t.test('lives can differ', async (t) => {
  const options = [`lives=${join(t.testdir(), 'lives')}`, '1:die=1', 'bytes=4096'];
  const start = (): FakeHelper => startFakeHelper(t.teardown.bind(t), options);
  const first = start();
  await first.open();
  first.helper.io({ ...read(0, 1, 0), done: () => t.fail('answered') });
  t.match(await first.helper.ended, { signal: 'SIGKILL' });
  const second = start();
  await second.open();
  t.equal(await run(second.helper, read(0, 1, 0)), 0);
});

t.test('nothing leaks', async (t) => {
  const log = createLog({ write: () => undefined, verbose: false });
  const round = async (options: string[]): Promise<void> => {
    const { helper, arenas, open } = startFakeHelper(() => undefined, options, { log });
    await open().catch(() => undefined);
    helper.kill('was killed');
    await helper.ended;
    arenas.close();
  };
  await round([]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const before = openFds();
  const listeners = process.listenerCount('exit');
  for (const options of [[], ['die=open'], ['bad=garbage'], ['bad=closed-control']]) {
    await round(options);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(openFds(), before);
  t.equal(process.listenerCount('exit'), listeners);
});
