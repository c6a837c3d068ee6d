// A library that hangs: its process is killed at the deadline, and clients see a slow reply.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { rehearse } from '../lib/rehearse.js';
import { must, shortDir } from '../lib/serve.js';

const SOON = ['--request-timeout=500ms'];

t.test('reads, in the call and in the callback', async (t) => {
  const fault = 'hang every=60 at=ReadAsync; hang nth=100 at=ReadCallback; complete=late';
  const args = [...SOON, '--readahead=off'];
  const { server, content, deaths } = await rehearse(t, fault, { args });
  const copy = path.join(shortDir(t), 'copy');
  await must('nbdcopy', ['--request-size=32768', server.uri!, copy]);
  t.ok(readFileSync(copy).equals(content));
  t.ok(deaths() >= 3, `${deaths()} deaths`);
  t.match(server.stderr, /has hung in (request \d+|VixDiskLib_ReadAsync) for 0\.\d s/);
  const { exitCode, stderr } = await server.stop();
  t.equal(exitCode, 0);
  t.match(stderr, /helpers replaced \(0 crashed, [1-9]\d* hung, 0 failed\)/);
});

t.test('a request that is never answered, and writes that the library forgets', async (t) => {
  const fault = 'complete=never nth=20 at=WriteAsync; volatile';
  const { server, io, image, deaths } = await rehearse(t, fault, { args: SOON });
  const writes = Array.from({ length: 30 }, (_, n) => `write -q -P ${n + 1} ${n * 65536} 4096`);
  t.match(await io(...writes, 'flush'), { exitCode: 0 });
  t.equal(deaths(), 1);
  const bytes = image();
  t.same(
    writes.map((_, n) => bytes[n * 65536 + 4095]),
    writes.map((_, n) => n + 1),
  );
  t.match(await server.stop(), { exitCode: 0 });
});

t.test('a stop does not wait for a library that hangs in its close', async (t) => {
  const { server } = await rehearse(t, 'hang at=Close', { args: ['--shutdown-timeout=1s'] });
  const { exitCode, stderr } = await server.stop();
  t.equal(exitCode, 1);
  t.match(stderr, /could not be closed within|closing:/);
});
