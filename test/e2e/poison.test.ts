// A sector that kills the library: who asks for it gets an error, all others never notice.
import t from 'tap';
import { eventually } from '../lib/serve.js';
import { EIO, rehearse } from '../lib/rehearse.js';

/** Sector 128. */
const BAD = 65536;

t.test('reads of it fail, the second time at once; reads of all else do not', async (t) => {
  const { server, io, deaths } = await rehearse(t, 'crash=segv at=ReadAsync sector=128');
  const others = io(
    ...Array.from({ length: 40 }, (_, n) => `read -q ${((n * 7919) % 64) * 1024} 512`),
  );
  t.match(await io(`read ${BAD} 512`), { exitCode: 1, stdout: EIO });
  t.match(await others, { exitCode: 0 });
  const before = deaths();
  t.ok(before >= 4, `${before} deaths`);
  t.match(server.stderr, /the library dies of it: a read of 512 bytes at offset 65536 fails/);
  t.match(await io(`read ${BAD} 512`), { exitCode: 1, stdout: EIO });
  t.match(await io(`read ${BAD - 512} 512`, `read ${BAD + 512} 65536`), { exitCode: 0 });
  t.equal(deaths(), before, 'nobody waits for the same again');
  t.match(await io(`write -P 3 ${BAD} 512`), { exitCode: 0 });
  t.match(await server.stop(), { exitCode: 0, stderr: /1 requests convicted/ });
});

/** Writes to the bad sector while it is well; when the helper dies, that can not be repeated. */
async function lose(t: Parameters<typeof rehearse>[0]) {
  const set = await rehearse(t, 'volatile');
  const { forget, rules, server } = set;
  await forget(
    new Map([
      [BAD, 5],
      [0, 6],
    ]),
  );
  rules('crash=segv at=WriteAsync sector=128');
  process.kill(server.helper!, 'SIGKILL');
  await eventually('the verdict', () => server.stderr.includes('lost: '));
  return set;
}

t.test('an acknowledged write to it is lost: reads of it and all flushes fail', async (t) => {
  const { io, server, image } = await lose(t);
  t.match(server.stderr, /lost: 512 bytes at offset 65536: to write them kills the library/);
  t.match(await io(`read ${BAD} 512`), { exitCode: 1, stdout: EIO });
  t.match(await io('read -P 6 0 512', `read ${BAD + 512} 512`), { exitCode: 0 });
  t.match(await io('write 262144 512', 'flush'), { exitCode: 1 });
  t.match(await io('write -f 131072 512'), { stdout: EIO });
  t.equal(image()[0], 6, 'what can be written is');
  const { exitCode, stderr } = await server.stop();
  t.equal(exitCode, 1);
  t.match(stderr, /lost: 512 bytes at offset 65536$/m);
});

t.test('overwritten and flushed it is well again', async (t) => {
  const { io, rules, server, image } = await lose(t);
  rules('# it was mended');
  t.match(await io(`write -P 8 ${BAD} 512`, 'flush', `read -P 8 ${BAD} 512`), { exitCode: 0 });
  t.equal(image()[BAD], 8);
  t.match(await server.stop(), { exitCode: 0 });
});
