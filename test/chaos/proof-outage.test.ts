// Proof: the library can't be opened for a while, then it can: clients wait, and go on. Away for
// longer than --recovery-timeout: requests fail, the server lives, and recovers with the library.
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { run, type Server, shortDir, startServer } from '../lib/serve.js';
import { FAULT_LIBDIR, FULL, MIB, sleep, writeRandom } from './rehearsal.js';

/** A library that can be taken away and brought back. */
async function outage(
  t: { teardown: (end: () => unknown) => unknown },
  args: string[],
): Promise<{ server: Server; away: () => void; back: () => void; read: () => Promise<number> }> {
  const dir = shortDir(t);
  const file = (base: string): string => path.join(dir, base);
  writeRandom(file('disk.img'), 8 * MIB);
  const server = await startServer(
    t,
    [FAULT_LIBDIR, `file=${file('disk.img')}`, '-r', '-U', file('socket'), ...args],
    { env: { FAULT_FILE: file('rules') } },
  );
  const away = (): void => {
    writeFileSync(file('new'), 'error=14014 at=Open');
    renameSync(file('new'), file('rules'));
    for (const pid of server.helpers) process.kill(pid, 'SIGKILL');
  };
  const back = (): void => {
    rmSync(file('rules'));
  };
  const read = async (): Promise<number> => {
    const { exitCode } = await run('qemu-io', ['-r', '-f', 'raw', '-c', 'read 0 8M', server.uri!]);
    return exitCode ?? -1;
  };
  return { server, away, back, read };
}

t.test('for a while', { timeout: 0 }, async (t) => {
  const { server, away, back, read } = await outage(t, []);
  away();
  const startMs = Date.now();
  const reading = read();
  await sleep(FULL ? 120_000 : 3000);
  back();
  t.equal(await reading, 0, 'the client has waited');
  t.comment(`a read took ${((Date.now() - startMs) / 1000).toFixed(1)} s`);
  t.match(await server.stop(), { exitCode: 0 });
});

t.test('for too long', { timeout: 0 }, async (t) => {
  const { server, away, back, read } = await outage(t, ['--recovery-timeout=2s']);
  away();
  t.not(await read(), 0, 'it fails');
  t.match(server.stderr, /requests? fail/);
  back();
  t.equal(await read(), 0, 'the server lives, and recovers');
  t.match(await server.stop(), { exitCode: 0 });
});
