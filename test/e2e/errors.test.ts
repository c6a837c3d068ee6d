// Errors of the library: those that a new session cures, and those that it does not.
import t from 'tap';
import { EIO, rehearse } from '../lib/rehearse.js';

t.test('an error that lasts until the disk is opened anew is not seen', async (t) => {
  const fault = 'error=1 at=ReadAsync nth=10 until=reopen';
  const { server, io, deaths } = await rehearse(t, fault);
  const reads = Array.from({ length: 20 }, (_, n) => `read -q ${n * 65536} 512`);
  t.match(await io(...reads), { exitCode: 0 });
  t.equal(deaths(), 1);
  t.match(server.stderr, /failed a request: VixError 1/);
  t.match(await server.stop(), { exitCode: 0 });
});

t.test(
  'an error that stays is that of its request alone, and cures are not tried again',
  async (t) => {
    const { server, io, deaths } = await rehearse(t, 'error=7 at=ReadAsync sector=128');
    t.match(await io('read 65536 512'), { exitCode: 1, stdout: EIO });
    t.equal(deaths(), 1, 'one cure was tried');
    t.match(await io('read 65536 512', 'read 0 65536', 'read 66048 65536'), { stdout: EIO });
    t.match(await io('read 0 65536', 'read 66048 65536', 'write 65536 512'), { exitCode: 0 });
    t.equal(deaths(), 1);
    t.match(await server.stop(), { exitCode: 0 });
  },
);

t.test('an error that no session can cure fails at once', async (t) => {
  const { server, io, deaths } = await rehearse(t, 'error=8 at=WriteAsync sector=128');
  t.match(await io('write 65536 512'), { stdout: /No space left on device/ });
  t.equal(deaths(), 0);
  t.match(await server.stop(), { exitCode: 0 });
});

t.test('a flush that fails once and then says OK has lost nothing', async (t) => {
  const { server, io, image, deaths } = await rehearse(t, 'volatile; flush=fail-then-ok');
  t.match(await io('write -P 9 8192 4096', 'flush'), { exitCode: 0 });
  t.equal(deaths(), 1);
  t.equal(image()[8192], 9);
  t.match(await server.stop(), { exitCode: 0 });
});
