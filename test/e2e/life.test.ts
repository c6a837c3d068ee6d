// From start to end: the ready line, the pidfile, and that nothing stays behind, however it ends.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { makeEmpty } from '../lib/disks.js';
import { NbdClient, requestBytes } from '../lib/nbd-client.js';
import { eventually, isRunning, must, run, runServe, shortDir, startServer } from '../lib/serve.js';

interface Place {
  at: (base: string) => string;
  args: string[];
  env: Record<string, string>;
}

/** A directory for one server: its disk, its pidfile, its temporary files. */
async function place(t: Test): Promise<Place> {
  const dir = shortDir(t);
  const at = (base: string): string => path.join(dir, base);
  mkdirSync(at('tmp'));
  await makeEmpty(at('disk.vmdk'), 8 * 1024 * 1024, 'monolithicSparse');
  const args = ['engine=builtin', `file=${at('disk.vmdk')}`, '-P', at('pid')];
  return { at, args, env: { TMPDIR: at('tmp') } };
}

/** Everything in the place but the disk: empty when nothing was left behind. */
function leftBehind({ at }: Place): string[] {
  const here = readdirSync(at('.')).filter((name) => name !== 'disk.vmdk' && name !== 'tmp');
  return [...here, ...readdirSync(at('tmp')).map((name) => `tmp/${name}`)];
}

t.test('the ready line says what, with which engine, and where', async (t) => {
  const { at, args, env } = await place(t);
  const server = await startServer(t, [...args, '-p', '0', '-e', 'a b'], { env });
  t.match(server.uri, /^nbd:\/\/127\.0\.0\.1:[1-9]\d*\/a%20b$/);
  t.match(
    server.stderr,
    /^vddk-nbd: nbd:\/\/\S+ serves .*disk\.vmdk \(8 MiB, writable\) with the built-in/,
  );
  t.equal(server.stderr.trim().split('\n').length, 1, 'one line');
  t.equal(readFileSync(at('pid'), 'utf8'), `${server.pid}\n`);
  t.match(await must('nbdinfo', ['--size', server.uri!]), /^8388608$/);
  t.match(await server.stop(), { exitCode: 0 });
});

t.test('the pidfile appears when a client can connect, not before', async (t) => {
  const { at, args, env } = await place(t);
  const started = startServer(t, [...args, '-U', at('socket')], { env });
  await eventually('the pidfile', () => existsSync(at('pid')));
  const uri = `nbd+unix:///?socket=${at('socket')}`;
  t.match(await run('nbdinfo', ['--size', uri]), { exitCode: 0, stdout: '8388608' });
  await (await started).stop();
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  t.test(`${signal}: clean, and nothing stays behind`, async (t) => {
    const here = await place(t);
    const server = await startServer(t, [...here.args, '-U', here.at('socket')], { env: here.env });
    const helper = server.helper!;
    t.equal(statSync(here.at('socket')).mode & 0o777, 0o600, 'only we can connect');
    server.signal(signal);
    t.match(await server.end, { exitCode: 0, signal: undefined });
    t.notOk(isRunning(helper));
    t.same(leftBehind(here), []);
  });
}

t.test('SIGTERM in the middle of a write: what was answered is on the disk', async (t) => {
  const here = await place(t);
  const server = await startServer(t, [...here.args, '-U', here.at('socket')], { env: here.env });
  const script = [
    'import nbd, os, signal',
    'h = nbd.NBD()',
    `h.connect_uri("${server.uri!}")`,
    'h.pwrite(b"x" * 65536, 65536)',
    `os.kill(${server.pid}, signal.SIGTERM)`,
  ].join('\n');
  // Debian's python3 has Debian's python3-libnbd; another one in PATH may not.
  await must('/usr/bin/python3', ['-c', script]);
  t.match(await server.end, { exitCode: 0 });
  const read = ['-f', 'vmdk', '-c', 'read -P 0x78 65536 65536', here.at('disk.vmdk')];
  t.notMatch(await must('qemu-io', read), /verification failed/);
});

t.test('a private socket', async (t) => {
  const here = await place(t);
  const server = await startServer(t, [...here.args, '-U', '-'], { env: here.env });
  const socket = /socket=(.*)$/.exec(server.uri!)?.[1] ?? '';
  t.equal(statSync(path.dirname(socket)).mode & 0o777, 0o700);
  await server.stop();
  t.same(leftBehind(here), []);
});

t.test('SIGKILL: helper, lock, socket, pidfile and temporary files go too', async (t) => {
  const here = await place(t);
  const listen = ['-U', here.at('socket')];
  const killed = await startServer(t, [...here.args, ...listen], { env: here.env });
  const helper = killed.helper!;
  killed.signal('SIGKILL');
  await killed.end;
  await eventually('the end of the helper', () => !isRunning(helper));
  await eventually('nothing is left behind', () => leftBehind(here).length === 0);
  const next = await startServer(t, [...here.args, ...listen], { env: here.env });
  t.match(await must('nbdinfo', ['--size', next.uri!]), /^8388608$/);
  t.match(await next.stop(), { exitCode: 0 });
});

t.test('a start that fails late leaves nothing behind', async (t) => {
  const here = await place(t);
  const blocked = ['-U', '-', '-P', path.join(here.at('missing'), 'pid')];
  const args = [...here.args.filter((arg) => arg !== '-P' && arg !== here.at('pid')), ...blocked];
  t.match(await runServe(args, { env: here.env }), { exitCode: 1 });
  t.same(leftBehind(here), []);
});

t.test('several connections to one disk share its helper', async (t) => {
  const here = await place(t);
  const server = await startServer(t, [...here.args, '-p', '0'], { env: here.env });
  const copy = ['--connections=4', '--requests=8', server.uri!, here.at('out.raw')];
  t.match(await run('nbdcopy', copy), { exitCode: 0 });
  t.equal(statSync(here.at('out.raw')).size, 8 * 1024 * 1024);
  t.match(await must('nbdinfo', [server.uri!]), /can_multi_conn: true/);
});

t.test('a second signal ends it at once', async (t) => {
  const here = await place(t);
  const server = await startServer(t, [...here.args, '-U', here.at('socket')], { env: here.env });
  const helper = server.helper!;
  process.kill(helper, 'SIGSTOP');
  server.signal('SIGTERM');
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.ok(isRunning(server.pid), 'it waits for the helper');
  server.signal('SIGTERM');
  t.match(await server.end, { exitCode: 1, stderr: /error: .*second signal \(SIGTERM\)/ });
  await eventually('the end of the helper', () => !isRunning(helper));
  t.notOk(existsSync(here.at('socket')));
});

t.test('a stop that takes too long is given up', async (t) => {
  const here = await place(t);
  const args = [...here.args, '-U', here.at('socket'), '--shutdown-timeout', '300ms'];
  const server = await startServer(t, args, { env: here.env });
  process.kill(server.helper!, 'SIGSTOP');
  const end = await server.stop();
  t.match(end, { exitCode: 1, stderr: /error: .*300 ms/ });
});

t.test('a client that stalls does not cost a stop its flush', async (t) => {
  const here = await place(t);
  const args = [...here.args, '-U', here.at('socket'), '--shutdown-timeout', '4s'];
  const server = await startServer(t, args, { env: here.env });
  const client = await NbdClient.go({ kind: 'unix', path: here.at('socket') });
  t.teardown(() => {
    client.destroy();
  });
  client.send({ type: 1, data: Buffer.alloc(4096, 1) });
  t.match(await client.reply(), { error: 0 });
  const half = requestBytes({ type: 1, data: Buffer.alloc(4096, 2) }).subarray(0, 2000);
  client.write(half);
  // The server must have seen it.
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.match(await server.stop(), { exitCode: 0 });
});
