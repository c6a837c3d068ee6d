// nbd-client of the reference implementation, as far as it works without a kernel module: its list.
import { writeFileSync } from 'node:fs';
import t from 'tap';
import { must, run, startServer } from '../lib/serve.js';
import { LIBDIR, MIB, place, serveImage } from './served.js';

// Debian has it where only root looks.
const env = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

t.test('nbd-client -l over TCP and a unix socket', async (t) => {
  const { at, empty } = place(t);
  const [one, two] = [empty('1', MIB), empty('2', MIB)];
  const exports = ['--export', `one=${one}`, '--export', `zwei ü=${two}`];
  const tcp = await startServer(t, [LIBDIR, ...exports, '-p', '0']);
  const [, port = ''] = /:(\d+)/.exec(tcp.uri!) ?? [];
  const listed = await must('nbd-client', ['-l', '127.0.0.1', port], { env });
  t.match(listed, `one: ${one}\nzwei ü: ${two}`);
  const unix = await startServer(t, [LIBDIR, ...exports, '-U', at('s')]);
  t.match(await must('nbd-client', ['-u', at('s'), '-l'], { env }), `one: ${one}`);
  t.same(unix.helpers, [], 'a list opens nothing');
});

t.test('nbd-client -l of one disk, and where TLS is required', async (t) => {
  const { at, empty } = place(t);
  const only = await serveImage(t, empty('only', MIB));
  t.ok(only.uri);
  t.match(await must('nbd-client', ['-u', at('only.sock'), '-l'], { env }), at('only'));
  writeFileSync(at('keys'), `me:${'5e'.repeat(32)}\n`, { mode: 0o600 });
  const secret = await serveImage(t, empty('secret', MIB), [
    '--tls=require',
    '--tls-psk',
    at('keys'),
  ]);
  t.ok(secret.uri);
  const refused = await run('nbd-client', ['-u', at('secret.sock'), '-l'], { env });
  t.not(refused.exitCode, 0);
  t.notMatch(`${refused.stdout}\n${refused.stderr}`, `${at('secret')}\n`, 'it learns nothing');
});
