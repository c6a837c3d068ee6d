// --run: its environment, its exit code, its socket.
import path from 'node:path';
import t, { type Test } from 'tap';
import { makeEmpty } from '../lib/disks.js';
import { REPO, runServe, shortDir, startServer, type Ended } from '../lib/serve.js';

async function serving(t: Test, command: string, ...more: string[]): Promise<Ended> {
  const disk = path.join(t.testdir({}), 'disk.vmdk');
  await makeEmpty(disk, 1024 * 1024, 'monolithicSparse');
  return runServe([disk, 'engine=builtin', '--run', command, ...more], {
    env: { LD_LIBRARY_PATH: '/marker' },
  });
}

const SHOW = 'echo "$uri|$nbd|$unixsocket|$port|$exportname|$LD_LIBRARY_PATH"';

t.test('variables, on a private socket', async (t) => {
  const { exitCode, stdout } = await serving(t, SHOW, '-e', 'disk');
  t.equal(exitCode, 0);
  const [uri, nbd, socket, port, name, libraries] = stdout.split('|');
  t.equal(uri, `nbd+unix:///disk?socket=${socket ?? ''}`);
  t.equal(nbd, uri, 'as of nbdkit 1.24');
  t.match(socket, /^\//);
  t.same([port, name], ['', 'disk']);
  t.equal(libraries, '/marker', 'what the library needs does not leak into the command');
});

t.test('a relative socket path is found from any directory', async (t) => {
  const dir = shortDir(t);
  await makeEmpty(path.join(dir, 'disk.vmdk'), 1024 * 1024, 'monolithicSparse');
  const disk = path.join(dir, 'disk.vmdk');
  const command = 'cd / && echo "$uri|$unixsocket" && nbdinfo --size "$uri"';
  const args = [disk, 'engine=builtin', '-U', 'here', '--run', command];
  const socket = path.join(dir, 'here');
  t.match(await runServe(args, { cwd: dir }), {
    exitCode: 0,
    stdout: `nbd+unix:///?socket=${socket}|${socket}\n1048576`,
  });
});

t.test('the built-in engine, named by its directory', async (t) => {
  const disk = path.join(t.testdir({}), 'disk.vmdk');
  await makeEmpty(disk, 1024 * 1024, 'monolithicSparse');
  const libdir = `libdir=${path.join(REPO, 'build/builtin')}`;
  const { exitCode, stderr } = await runServe([disk, libdir, '--run', 'true']);
  t.equal(exitCode, 0);
  t.match(stderr, /with the built-in engine$/, 'nothing was searched, so nothing was not found');
});

t.test('variables, on TCP', async (t) => {
  const { stdout } = await serving(t, SHOW, '-p', '0');
  const [uri, nbd, socket, port, name] = stdout.split('|');
  t.match(port, /^[1-9]\d*$/);
  t.equal(uri, `nbd://127.0.0.1:${port ?? ''}`);
  t.equal(nbd, uri);
  t.same([socket, name], ['', '']);
});

t.test('its exit code becomes ours', async (t) => {
  t.match(await serving(t, 'true'), { exitCode: 0 });
  t.match(await serving(t, 'exit 7'), { exitCode: 7 });
  t.match(await serving(t, 'kill -KILL $$'), { exitCode: 137 });
  t.match(await serving(t, 'no-such-command-here'), { exitCode: 127 });
});

t.test('a command in several words and lines reaches the shell as it is', async (t) => {
  const { stdout } = await serving(t, `for i in 1 2; do\n  printf '%s,' "it's $i"\ndone`);
  t.equal(stdout, `it's 1,it's 2,`);
});

t.test('a signal reaches the command, and the server stops with it', async (t) => {
  const disk = path.join(t.testdir({}), 'disk.vmdk');
  await makeEmpty(disk, 1024 * 1024, 'monolithicSparse');
  const server = await startServer(t, [disk, 'engine=builtin', '--run', 'exec sleep 1000']);
  t.match(await server.stop(), { exitCode: 143 });
});

t.test('a pipe on stdin is left to the command', async (t) => {
  const disk = path.join(t.testdir({}), 'disk.vmdk');
  await makeEmpty(disk, 1024 * 1024, 'monolithicSparse');
  const args = [`file=${disk}`, 'engine=builtin', '--run', 'cat'];
  t.match(await runServe(args, { stdin: 'pipe', input: 'hello' }), {
    exitCode: 0,
    stdout: 'hello',
  });
});
