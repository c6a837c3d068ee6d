// Start and end of the real helper: heartbeats while stuck, every way the host can go, secrets.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import t, { type Test } from 'tap';
import { Driver, frame, HELPER, message, type IoRequest } from './driver.js';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Gone, or a zombie that waits for whoever inherits it. */
function isGone(pid: number): boolean {
  try {
    return /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}

t.test('PING while the library is stuck, after a long rest', async (t) => {
  const helper = new Driver(t, { env: { FAKE_SECTOR: '8:hang' } });
  await helper.open();
  await sleep(1500);
  const ping = (await helper.call('PING')).fields;
  t.same(ping, { inCallMs: 0, call: '', oldestIoMs: 0, oldestIo: 0 });
  const [first, second] = helper.sendIo(['READ', 0, 8, 0], ['READ', 0, 16, 0]);
  await helper.answered([first!]);
  let last = 0;
  for (let i = 0; i < 5; i++) {
    await sleep(60);
    const begin = performance.now();
    const { fields } = await helper.call('PING');
    t.ok(performance.now() - begin < 500, 'answered soon');
    t.equal(fields['call'], 'VixDiskLib_ReadAsync');
    const inCallMs = fields['inCallMs'] as number;
    t.ok(inCallMs > last, `${inCallMs} ms`);
    t.equal(fields['oldestIo'], second);
    t.ok((fields['oldestIoMs'] as number) >= inCallMs);
    last = inCallMs;
  }
  t.ok(last >= 200, 'the time it has been stuck');
});

t.test('requests read while the library is slow are run, in order', async (t) => {
  const helper = new Driver(t, { env: { FAKE_AT: 'Open:slow:400' } });
  await helper.hello();
  await helper.call('CONNECT', { readOnly: false });
  const open = helper.sendCall('OPEN', { path: '/a', flags: 0 });
  await sleep(100);
  helper.fill(0, Buffer.alloc(512, 'x'));
  const ids = helper.sendIo(['WRITE', 7, 1, 0], ['FLUSH', 0, 0, 0], ['READ', 7, 1, 0]);
  const ping = await helper.call('PING');
  t.equal(ping.fields['call'], 'VixDiskLib_Open');
  t.notOk(helper.results.has(open));
  t.equal((await helper.result(open)).vixError, 0);
  await helper.answered(ids);
  t.same(
    helper.done.map(({ id }) => id),
    ids,
  );
  t.same(helper.read(0, 512), Buffer.alloc(512, 'x'));
});

t.test('many PINGs while stuck, with a host that does not read', async (t) => {
  const helper = new Driver(t, { env: { FAKE_AT: 'Open:slow:1500' } });
  await helper.hello();
  await helper.call('CONNECT', { readOnly: false });
  helper.pause();
  const open = helper.sendCall('OPEN', { path: '/a', flags: 0 });
  const pings = Array.from({ length: 20_000 }, () => helper.sendCall('PING'));
  await sleep(300);
  helper.resume();
  t.equal((await helper.result(open)).vixError, 0);
  await helper.result(pings.at(-1)!);
  t.ok(pings.every((id) => helper.results.has(id)));
});

t.test('the end of the control stream', async (t) => {
  const ends = async (t: Test, helper: Driver, code: number): Promise<void> => {
    helper.end();
    t.same(await helper.ended, { code, signal: null });
  };
  await t.test('before HELLO', (t) => ends(t, new Driver(t), 0));
  await t.test('after HELLO', async (t) => {
    const helper = new Driver(t);
    await helper.hello();
    await ends(t, helper, 0);
  });
  await t.test('inside a frame', async (t) => {
    const helper = new Driver(t);
    helper.sendRaw(message([1, 1, 7, {}]).subarray(0, 6));
    await ends(t, helper, 0);
  });
  for (const [script, code] of [
    ['Close:slow:100', 0],
    ['Close:crash:8', 136],
    ['Disconnect:crash:8', 136],
    ['Exit:crash:8', 136],
  ] as const) {
    await t.test(`with a disk open, ${script}`, async (t) => {
      const helper = new Driver(t, { env: { FAKE_AT: script } });
      await helper.open();
      await helper.io(['WRITE', 0, 1, 0]);
      await ends(t, helper, code);
    });
  }
  await t.test('with requests on their way', async (t) => {
    // The fake library ends the helper if it is closed with I/O pending. A slow machine may be
    // found inside a call.
    const helper = new Driver(t, { env: { FAKE_COMPLETION: 'shuffle' } });
    await helper.open();
    helper.sendIo(...Array.from({ length: 500 }, (_, i): IoRequest => ['WRITE', i, 1, 0]));
    helper.end();
    const { code } = await helper.ended;
    t.ok(code === 0 || code === 72, `exit ${code}`);
  });
  await t.test('inside a call', async (t) => {
    for (const at of ['Open:hang', 'Open:slow:5000']) {
      await t.test(at, async (t) => {
        const helper = new Driver(t, { env: { FAKE_AT: at } });
        await helper.hello();
        await helper.call('CONNECT', { readOnly: true });
        helper.sendCall('OPEN', { path: '/a', flags: 0 });
        await sleep(100);
        const begin = performance.now();
        await ends(t, helper, 72);
        t.ok(performance.now() - begin < 2000, 'at once');
        t.match(helper.stderr, /the host is gone, VixDiskLib_Open has not returned/);
      });
    }
  });
  await t.test('after CLOSE', async (t) => {
    const helper = new Driver(t, { env: { FAKE_AT: 'Exit:slow:200' } });
    await helper.open();
    t.equal((await helper.call('CLOSE')).vixError, 0);
    await ends(t, helper, 0);
  });
});

t.test('the parent is killed while others keep the control socket open', async (t) => {
  const helper = new Driver(t);
  // A process between us and a second helper, which gets the first one's files.
  const script = `
    const { spawn } = require('node:child_process');
    const helper = spawn(process.argv[1], [String(process.pid)], {
      stdio: ['ignore', 'ignore', 'inherit', 3, 4, 5],
    });
    console.log(helper.pid);
    setInterval(() => undefined, 1000);`;
  const between = spawn(process.execPath, ['-e', script, HELPER], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe', helper.readArena, helper.writeArena],
    env: {},
  });
  const pid = await new Promise<number>((resolve) => {
    between.stdout!.on('data', (text: Buffer) => {
      resolve(Number(text.toString()));
    });
  });
  await sleep(300);
  t.notOk(isGone(pid), 'it runs');
  between.kill('SIGKILL');
  const deadline = Date.now() + 5000;
  while (!isGone(pid) && Date.now() < deadline) await sleep(20);
  t.ok(isGone(pid), 'it is gone');
});

t.test('a start that can not work', async (t) => {
  await t.test('another parent', async (t) => {
    const helper = new Driver(t, { parent: '1' });
    t.equal((await helper.ended).code, 1);
    t.match(helper.stderr, /^vddk-nbd-helper: the parent, process 1, is gone\n$/);
  });
  const start = (args: string[], stdio: ('ignore' | 'pipe' | number)[]) =>
    spawnSync(HELPER, args, { stdio, encoding: 'utf8' });
  const self = String(process.pid);
  const file = openSync('/dev/null', 'r+');
  t.match(start([], ['ignore', 'pipe', 'pipe']), { status: 1, stderr: /usage: .*\n$/ });
  t.match(start(['x'], ['ignore', 'pipe', 'pipe']), { status: 1, stderr: /not a process id: x/ });
  t.match(start([self], ['ignore', 'pipe', 'pipe']), {
    status: 1,
    stderr: /file descriptor 3, the control socket, is missing/,
  });
  t.match(start([self], ['ignore', 'pipe', 'pipe', 'pipe']), {
    status: 1,
    stderr: /file descriptor 4, the read arena, is missing/,
  });
  t.match(start([self], ['ignore', 'pipe', 'pipe', 'pipe', file]), {
    status: 1,
    stderr: /file descriptor 5, the write arena, is missing/,
  });
  t.match(start([self], ['ignore', 'pipe', 'pipe', file, file, file]), {
    status: 1,
    stderr: /file descriptor 3 is not a stream socket/,
  });
  closeSync(file);
});

/** Whether the memory that the process may write holds `needle`. */
function memoryHolds(pid: number, needle: Buffer): boolean {
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (from === undefined || to === undefined) continue;
      const length = Number(BigInt(`0x${to}`) - BigInt(`0x${from}`));
      if (length > 256 << 20) continue;
      const bytes = Buffer.alloc(length);
      try {
        readSync(memory, bytes, 0, length, BigInt(`0x${from}`));
      } catch {
        continue;
      }
      if (bytes.includes(needle)) return true;
    }
    return false;
  } finally {
    closeSync(memory);
  }
}

t.test('secrets', async (t) => {
  const helper = new Driver(t);
  const password = Buffer.from('correct horse battery staple');
  const cookie = Buffer.from('52 8f vmware soap session');
  const pid = helper.process.pid!;
  await helper.hello();
  const remote = { readOnly: true, vmxSpec: 'moref=1', serverName: 's', userName: 'u' };
  await helper.call('CONNECT', { ...remote, password, cookie });
  for (const file of ['cmdline', 'environ'])
    t.notOk(readFileSync(`/proc/${pid}/${file}`).includes(password), file);
  t.notOk(helper.logs.some(({ text }) => text.includes('horse') || text.includes('soap ses')));
  t.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /^Max core file size +0 +0 /m);
  t.ok(memoryHolds(pid, password), 'needed until Disconnect');
  await helper.call('CLOSE');
  // Their ends: malloc writes over the beginning of what is freed.
  t.notOk(memoryHolds(pid, password.subarray(-10)), 'the password is wiped');
  t.notOk(memoryHolds(pid, cookie.subarray(-9)), 'the cookie is wiped');
  await helper.call('CONNECT', { ...remote, password: 'as text: horse battery' });
  t.notOk(memoryHolds(pid, Buffer.from('as text: horse')), 'wiped after a refusal too');
});

t.test('log events', async (t) => {
  await t.test('are cut', async (t) => {
    const helper = new Driver(t, { env: { FAKE_AT: 'Open:longlog:10000' } });
    await helper.open();
    const { text } = await helper.logged(/^xxx/);
    t.equal(text.length, 4096);
  });
  await t.test('are dropped and counted when the host does not read', async (t) => {
    const lines = 20_000;
    const helper = new Driver(t, { env: { FAKE_AT: `Open:log:${lines}` } });
    await helper.hello();
    await helper.call('CONNECT', { readOnly: true });
    const before = helper.logs.length;
    helper.pause();
    const open = helper.sendCall('OPEN', { path: '/a', flags: 0 });
    await sleep(500);
    helper.resume();
    t.equal((await helper.result(open)).vixError, 0, 'the answer is not lost');
    await helper.call('CLOSE');
    await helper.call('CONNECT', { readOnly: true });
    const events = helper.logs.slice(before);
    const dropped = events.reduce((sum, event) => sum + event.dropped, 0);
    t.ok(dropped > 0, `${dropped} dropped`);
    const flood = events.filter(({ text }) => text.includes('of a flood')).length;
    t.ok(flood + dropped >= lines && flood + dropped <= lines + 3, 'every one is accounted for');
  });
});

t.test('garbage at random never hangs the helper', async (t) => {
  let seed = 12345;
  const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 16;
  for (let run = 0; run < 20; run++) {
    await t.test(`run ${run}`, async (t) => {
      const helper = new Driver(t);
      const body = Buffer.from(Array.from({ length: 1 + (random() % 64) }, () => random() & 255));
      helper.sendRaw(frame(body));
      helper.end();
      const { code, signal } = await helper.ended;
      t.ok(signal === null && (code === 71 || code === 0), `exit ${code}`);
    });
  }
});
