// Little of what a process needs: files that may not grow, few descriptors, no temporary directory.
// Each ends in an error for the client, or in one line that says what is missing.
import path from 'node:path';
import t from 'tap';
import { makeEmpty } from '../lib/disks.js';
import { NbdClient } from '../lib/nbd-client.js';
import { eventually, must, RUN, run, shortDir, startServer, type Ended } from '../lib/serve.js';

const MIB = 1024 * 1024;

/** `vddk-nbd serve` under limits of prlimit. */
function limited(limit: string, args: string[]): Promise<Ended> {
  // Without what tap loads into every process, and without coverage, which needs descriptors.
  const unset = ['--unset=NODE_OPTIONS', '--unset=NODE_V8_COVERAGE'];
  const bare = ['env', ...unset, process.execPath];
  return run('prlimit', [limit, ...bare, RUN, 'serve', ...args]);
}

t.test('a file that may not grow further', async (t) => {
  const dir = shortDir(t);
  const disk = path.join(dir, 'disk.vmdk');
  await makeEmpty(disk, 64 * MIB, 'monolithicSparse');
  const commands = ['write -P 1 0 8M', 'write -P 2 8M 32M', 'read -P 1 0 8M'];
  const client = `qemu-io -f raw ${commands.map((text) => `-c '${text}'`).join(' ')} "$uri"`;
  const small = ['engine=builtin', '--memory', '16M', '--run', `${client}; true`];
  const result = await limited(`--fsize=${24 * MIB}`, [disk, ...small]);
  t.equal(result.exitCode, 0);
  t.match(result.stdout, /wrote 8388608.*write failed: .*read 8388608/s);
  t.notMatch(result.stderr, /helper replaced/);
  await must('qemu-img', ['check', disk]);
});

t.test('too few file descriptors for a new helper, and enough later', async (t) => {
  const dir = shortDir(t);
  const [disk, socket] = [path.join(dir, 'disk.vmdk'), path.join(dir, 's')];
  await makeEmpty(disk, MIB, 'monolithicSparse');
  const args = [disk, 'engine=builtin', '--no-spare', '--cache=off', '-U', socket];
  const server = await startServer(t, args);
  const client = await NbdClient.go({ kind: 'unix', path: socket });
  await must('prlimit', ['--nofile=20:', '--pid', String(server.pid)]);
  process.kill(server.helper!, 'SIGKILL');
  const reading = client.ask({ type: 0, length: 65536 });
  await eventually('the failure', () => server.stderr.includes('EMFILE'));
  await must('prlimit', ['--nofile=1024:', '--pid', String(server.pid)]);
  t.equal((await reading).error, 0, 'the client has waited');
  client.destroy();
  t.match(await server.stop(), { exitCode: 0, stderr: /helper replaced/ });
});

t.test('too few file descriptors, no temporary directory', async (t) => {
  const disk = path.join(shortDir(t), 'disk.vmdk');
  await makeEmpty(disk, MIB, 'monolithicSparse');
  const serve = [disk, 'engine=builtin', '--run', 'true'];
  for (const files of [28, 31]) {
    t.match(await limited(`--nofile=${files}`, serve), {
      exitCode: 1,
      stderr: /^vddk-nbd: error: [^\n]*EMFILE[^\n]*ulimit -n[^\n]*$/,
    });
  }
  const env = { TMPDIR: '/no/such/directory' };
  t.match(await run(RUN, ['serve', ...serve], { env }), {
    exitCode: 1,
    stderr: /^vddk-nbd: error: no temporary directory can be made: [^\n]*TMPDIR[^\n]*$/,
  });
});
