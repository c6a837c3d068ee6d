// The end of a server: what its exit code and its last lines say of the writes that it answered.
import path from 'node:path';
import t, { type Test } from 'tap';
import { rehearse } from '../lib/rehearse.js';
import { type Ended, run } from '../lib/serve.js';

const FLUSH_FAILS = 'error=8 at=Flush';
/** Two writes that no flush follows. */
const WRITES = new Map([
  [0, 6],
  [65536, 5],
]);

/** What a server says of them that could not flush them. */
function notDurable(t: Test, { exitCode, stderr }: Ended, expectedCode: number): void {
  t.equal(exitCode, expectedCode, stderr);
  t.match(stderr, /error: the last flush failed: .*VixError 8/);
  t.match(stderr, /error: not flushed: 512 bytes at offset 0$/m);
  t.match(stderr, /error: not flushed: 512 bytes at offset 65536$/m);
}

t.test('a last flush that fails: 1, and each write that may be lost', async (t) => {
  const { server, forget, rules } = await rehearse(t, 'volatile');
  rules(FLUSH_FAILS);
  await forget(WRITES);
  notDurable(t, await server.stop(), 1);
});

t.test('one that works: 0, and not a word', async (t) => {
  const { server, forget, image } = await rehearse(t, 'volatile');
  await forget(WRITES);
  const { exitCode, stderr } = await server.stop();
  t.equal(exitCode, 0);
  t.notMatch(stderr, /error:|warning:/);
  const bytes = image();
  for (const [offset, byte] of WRITES) t.equal(bytes[offset + 511], byte);
});

t.test('under --run: that of a command that failed, 1 in place of its 0', async (t) => {
  for (const [status, expected] of [
    ['0', 1],
    ['7', 7],
  ] as const) {
    const dir = t.testdir({});
    const go = path.join(dir, 'go');
    const command = `until [ -e '${go}' ]; do sleep 0.05; done; exit ${status}`;
    const { server, forget, rules } = await rehearse(t, 'volatile', { args: ['--run', command] });
    rules(FLUSH_FAILS);
    await forget(WRITES);
    t.match(await run('touch', [go]), { exitCode: 0 });
    notDurable(t, await server.end, expected);
  }
});

t.test('a library that hangs in the last flush: 1, in time', async (t) => {
  const args = ['--shutdown-timeout=1s'];
  const { server, forget, rules } = await rehearse(t, 'volatile', { args });
  rules('hang at=Flush');
  await forget(WRITES);
  const { exitCode, stderr } = await server.stop();
  t.equal(exitCode, 1);
  t.match(stderr, /may be lost|not flushed: 512 bytes at offset 0$/m);
  t.notMatch(stderr, /has hung/, 'not only when the request is over its own time');
});
