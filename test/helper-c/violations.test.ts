// What breaks the protocol or the library's contract, and the exit status and line that it costs.
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { ARENA_BYTES, Driver, frame, message } from './driver.js';

/** The helper must exit with 71 and one line that matches. */
async function isViolation(t: Test, helper: Driver, line: RegExp): Promise<void> {
  t.same(await helper.ended, { code: 71, signal: null });
  t.match(helper.stderr, line);
  t.match(helper.stderr, /^vddk-nbd-helper: protocol violation: [^\n]+\n$/, 'one line');
}

const vectors = JSON.parse(
  readFileSync(new URL('../fixtures/vectors/invalid.json', import.meta.url), 'utf8'),
) as { name: string; hex: string }[];

t.test('bodies that break the page', { jobs: 2 }, async (t) => {
  t.ok(vectors.length > 20);
  for (const { name, hex } of vectors) {
    void t.test(name, async (t) => {
      const helper = new Driver(t);
      helper.sendRaw(frame(Buffer.from(hex, 'hex')));
      await isViolation(t, helper, /./);
    });
  }
});

t.test('lengths', async (t) => {
  for (const header of ['00000000', '00100001', 'ffffffff']) {
    await t.test(header, async (t) => {
      const helper = new Driver(t);
      helper.sendRaw(Buffer.from(header, 'hex'));
      await isViolation(t, helper, /a frame of 0 bytes or more than 1 MiB/);
    });
  }
  await t.test('the largest frame is read', async (t) => {
    const helper = new Driver(t);
    const padding = Buffer.alloc((1 << 20) - 64);
    const body = [1, 1, 7, { padding }];
    t.ok(message(body).length > (1 << 20) - 64 && message(body).length <= 4 + (1 << 20));
    helper.sendRaw(message(body));
    t.equal((await helper.result(1)).vixError, 0, 'and unknown keys are ignored');
  });
});

t.test('requests', async (t) => {
  const cases: [string, [number, number, number, number], RegExp][] = [
    ['no sectors', [16, 0, 0, 0], /0 or more than 4096 sectors/],
    ['4097 sectors', [16, 0, 4097, 0], /0 or more than 4096 sectors/],
    ['outside the read arena', [16, 0, 1, ARENA_BYTES], /outside its arena/],
    ['over the end of the read arena', [16, 0, 2, ARENA_BYTES - 512], /outside its arena/],
    ['over the end of the write arena', [17, 0, 9, ARENA_BYTES - 4096], /outside its arena/],
    ['a FLUSH with a sector', [18, 1, 0, 0], /three zeroes/],
    ['a FLUSH with a length', [18, 0, 1, 0], /three zeroes/],
  ];
  for (const [name, [op, start, count, offset], line] of cases) {
    await t.test(name, async (t) => {
      const helper = new Driver(t);
      await helper.open();
      helper.sendRaw(message([2, 100, op, start, count, offset]));
      await isViolation(t, helper, line);
    });
  }
  await t.test('an offset that wraps', async (t) => {
    const helper = new Driver(t);
    await helper.open();
    helper.sendRaw(message([2, 100, 17, 0, 1, 2n ** 64n - 256n]));
    await isViolation(t, helper, /outside its arena/);
  });
  await t.test('the last sector of the arena is inside', async (t) => {
    const helper = new Driver(t);
    await helper.open();
    t.same(await helper.io(['READ', 0, 1, ARENA_BYTES - 512]), [0]);
  });
  await t.test('while no disk is open', async (t) => {
    const helper = new Driver(t);
    await helper.hello();
    helper.sendIo(['READ', 0, 1, 0]);
    await isViolation(t, helper, /no disk is open/);
  });
});

t.test('a second CALL before the answer to the first', async (t) => {
  const helper = new Driver(t, { env: { FAKE_AT: 'Open:slow:2000' } });
  await helper.hello();
  await helper.call('CONNECT', { readOnly: true });
  helper.sendCall('OPEN', { path: '/a', flags: 0 });
  helper.sendCall('INFO');
  await isViolation(t, helper, /a second CALL/);
});

t.test('a violation while the library is stuck', async (t) => {
  const helper = new Driver(t, { env: { FAKE_AT: 'Open:hang' } });
  await helper.hello();
  await helper.call('CONNECT', { readOnly: true });
  helper.sendCall('OPEN', { path: '/a', flags: 0 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  helper.sendRaw(frame(Buffer.from([0xc1])));
  await isViolation(t, helper, /a type that the protocol does not use/);
});

t.test('completions that nobody waits for', async (t) => {
  for (const completion of ['inline', 'late']) {
    for (const action of ['double', 'unknown']) {
      await t.test(`${action}, ${completion}`, async (t) => {
        const env = { FAKE_SECTOR: `8:${action}`, FAKE_COMPLETION: completion };
        const helper = new Driver(t, { env });
        await helper.open();
        helper.sendIo(['READ', 0, 16, 0]);
        t.same(await helper.ended, { code: 73, signal: null });
        t.match(helper.stderr, /^vddk-nbd-helper: the library completed a request twice/);
      });
    }
  }
});

t.test('the panic callback', async (t) => {
  const helper = new Driver(t, { env: { FAKE_AT: 'Open:panic:7' } });
  await helper.hello();
  await helper.call('CONNECT', { readOnly: true });
  helper.sendCall('OPEN', { path: '/a', flags: 0 });
  t.same(await helper.ended, { code: 70, signal: null });
  t.same(helper.panics, ['fake: panic number 7']);
  t.match(helper.logs.at(-1), { level: 'error', text: 'fake: panic number 7' });
});

t.test('fatal signals of the library', async (t) => {
  for (const [name, signal] of [
    ['SIGSEGV', 11],
    ['SIGBUS', 7],
    ['SIGILL', 4],
    ['SIGFPE', 8],
    ['SIGABRT', 6],
  ] as const) {
    await t.test(name, async (t) => {
      const helper = new Driver(t, { env: { FAKE_SECTOR: `8:crash:${signal}` } });
      await helper.open();
      helper.sendIo(['READ', 0, 16, 0]);
      t.same(await helper.ended, { code: 128 + signal, signal: null });
    });
  }
});
