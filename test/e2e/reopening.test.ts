// The way back to an open disk: a library that crashes, refuses or is gone, at start and later.
import t from 'tap';
import { eventually } from '../lib/serve.js';
import { EIO, type Rehearsal, rehearse } from '../lib/rehearse.js';

/** The helper dies; the next ones follow `rules`. */
function kill({ server, rules }: Rehearsal, text: string): void {
  rules(text);
  process.kill(server.helper!, 'SIGKILL');
}

for (const place of ['InitEx', 'Open']) {
  t.test(`a crash at ${place} at start and when it is opened again`, async (t) => {
    const set = await rehearse(t, `crash=segv at=${place} times=2`);
    kill(set, `crash=abort at=${place} times=2`);
    t.match(await set.io('read 0 512'), { exitCode: 0 });
    t.equal(set.deaths(), 1);
    t.match(await set.server.stop(), { exitCode: 0 });
  });
}

t.test('a login that is rejected once is tried again, ten seconds later', async (t) => {
  const set = await rehearse(t, '');
  kill(set, 'error=35 at=ConnectEx times=1');
  t.match(await set.io('read 0 512'), { exitCode: 0 });
  t.equal(set.server.stderr.match(/opening it again:/g)?.length, 1, 'asked once in all that time');
  t.match(await set.server.stop(), { exitCode: 0 });
});

t.test('a library that is gone for a while: clients wait', async (t) => {
  const set = await rehearse(t, 'volatile', { args: ['--no-spare'] });
  t.match(await set.io('write -P 4 0 4096'), { exitCode: 0 });
  kill(set, 'error=14009 at=ConnectEx');
  const reading = set.io('read -P 4 0 4096');
  await eventually('some attempts', () => set.server.stderr.split('opening it again').length > 3);
  set.rules('# it is back');
  t.match(await reading, { exitCode: 0 });
  t.match(await set.server.stop(), { exitCode: 0 });
});

t.test('longer than the recovery timeout: errors, and a new attempt for who asks', async (t) => {
  const set = await rehearse(t, 'volatile', { args: ['--recovery-timeout=1s'] });
  t.match(await set.io('write -P 4 0 4096'), { exitCode: 0 });
  kill(set, 'hang at=Open');
  t.match(await set.io('read 0 4096'), { stdout: EIO });
  t.match(set.server.stderr, /requests fail; the next one starts a new attempt/);
  set.rules('# it is back');
  t.match(await set.io('read -P 4 0 4096'), { exitCode: 0 });
  t.match(await set.server.stop(), { exitCode: 0 });
});
