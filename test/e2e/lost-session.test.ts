// A library that loses its session again and again: it is opened anew, and clients notice nothing.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { rehearse } from '../lib/rehearse.js';
import { must, shortDir } from '../lib/serve.js';

t.test('while it is read', async (t) => {
  const args = ['--readahead=off'];
  const { server, content, deaths } = await rehearse(t, 'session-lost after=40', { args });
  const copy = path.join(shortDir(t), 'copy');
  await must('nbdcopy', ['--request-size=32768', server.uri!, copy]);
  t.ok(readFileSync(copy).equals(content));
  t.ok(deaths() >= 5, `${deaths()} sessions`);
  t.match(server.stderr, /lost its session: VixError 36/);
  t.match(await server.stop(), { exitCode: 0 });
});

t.test('with more unflushed writes than a later session lives for', async (t) => {
  const { server, io, forget, image, rules, deaths } = await rehearse(t, 'volatile');
  const writes = new Map(Array.from({ length: 200 }, (_, n) => [n * 8192, n + 1]));
  await forget(writes);
  rules('session-lost after=60');
  process.kill(server.helper!, 'SIGKILL');
  t.match(await io('read -P 1 0 512', 'flush'), { exitCode: 0 });
  t.ok(deaths() >= 3, `${deaths()} sessions`);
  const bytes = image();
  for (const [offset, byte] of writes) t.equal(bytes[offset + 511], byte);
  t.match(await server.stop(), { exitCode: 0 });
});
