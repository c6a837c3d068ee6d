// Where the program listens, and who may have started it: several addresses, sockets of a service
// manager, stdin and stdout, a parent that ends.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { makeEmpty } from '../lib/disks.js';
import { NbdClient } from '../lib/nbd-client.js';
import { eventually, isRunning, must, RUN, run, shortDir, startServer } from '../lib/serve.js';

const MIB = 1024 * 1024;
const PYTHON = '/usr/bin/python3';

/** A directory with a disk of 1 MiB, and the arguments that serve it. */
async function place(t: Test): Promise<{ at: (base: string) => string; args: string[] }> {
  const dir = shortDir(t);
  const at = (base: string): string => path.join(dir, base);
  await makeEmpty(at('disk.vmdk'), MIB, 'monolithicSparse');
  return { at, args: [at('disk.vmdk'), 'engine=builtin'] };
}

t.test('several addresses, IPv4 and IPv6, on one port', async (t) => {
  const { args } = await place(t);
  const server = await startServer(t, [...args, '-i', '127.0.0.1', '-i', '::1', '-p', '0']);
  const port = /:(\d+)$/.exec(server.uri!)?.[1] ?? '';
  t.match(server.stderr, `also at nbd://[::1]:${port}`);
  for (const host of ['127.0.0.1', '[::1]']) {
    t.equal(await must('nbdinfo', ['--size', `nbd://${host}:${port}`]), String(MIB), host);
  }
  await server.stop();
  const named = await startServer(t, [...args, '-i', 'localhost', '-4', '-p', '0']);
  t.match(named.uri, /^nbd:\/\/127\.0\.0\.1:/, 'a name becomes addresses');
});

t.test('an address of others, with --insecure, and the warning', async (t) => {
  const { args } = await place(t);
  const server = await startServer(t, [...args, '-i', '0.0.0.0', '-p', '0', '--insecure']);
  t.match(server.stderr, /warning: anyone who can reach 0\.0\.0\.0 has what is served/);
});

t.test('--print-uri, --log, --max-connections and --timeout', async (t) => {
  const { at, args } = await place(t);
  const more = ['-U', at('s'), '--print-uri', '--max-connections', '1', '--timeout', '1s'];
  const log = ['--log', at('log')];
  const server = await startServer(t, [...args, ...more]);
  t.match(server.stderr, /serves/);
  const only = await NbdClient.connect({ kind: 'unix', path: at('s') });
  const refused = await NbdClient.connect({ kind: 'unix', path: at('s') });
  t.equal((await refused.rest()).length, 0);
  await only.rest();
  t.match(server.stderr, /handshake not finished in time/);
  t.match(await server.stop(), { stdout: `nbd+unix:///?socket=${at('s')}` });
  const quiet = await run(RUN, ['serve', ...args, ...log, '--run', 'true']);
  t.match(quiet, { exitCode: 0, stderr: '' });
  t.match(readFileSync(at('log'), 'utf8'), /^vddk-nbd: nbd\+unix\S+ serves .*\n$/);
  const none = await run(RUN, ['serve', ...args, '--log=null', '--run', 'true']);
  t.match(none, { exitCode: 0, stderr: '' });
  const zero = await run(RUN, ['serve', ...args, '--max-connections', '0', '--run', 'true']);
  t.match(zero, { exitCode: 1, stderr: /--max-connections of 0 is out of range/ });
});

t.test('-s: one client on stdin and stdout', async (t) => {
  const { args } = await place(t);
  const script = [
    'import nbd, sys',
    'h = nbd.NBD()',
    'h.connect_command(sys.argv[1:])',
    'h.pwrite(b"x" * 500000, 5)',
    'assert h.pread(500000, 5) == b"x" * 500000',
    'h.shutdown()',
  ].join('\n');
  const served = await run(PYTHON, ['-c', script, RUN, 'serve', '-s', ...args]);
  t.match(served, { exitCode: 0, stderr: /^vddk-nbd: nbd on stdin and stdout serves [^\n]*$/ });
  // Two pipes in place of one socket; the client says goodbye: option 2 is ABORT.
  const bytes = String.raw`\0\0\0\3IHAVEOPT\0\0\0\2\0\0\0\0`;
  const shell = `printf '${bytes}' | "$@" | od -An -c | tr -d ' \\n'`;
  const piped = await run('sh', ['-c', shell, 'sh', RUN, 'serve', '-s', ...args]);
  t.match(piped, { exitCode: 0, stdout: /^NBDMAGICIHAVEOPT\\0003/ });
  const nobody = await run(RUN, ['serve', '-s', ...args], { stdin: 'ignore' });
  t.match(nobody, { exitCode: 1, stderr: /no client on stdin and stdout/ });
});

/** Makes sockets as a service manager does, becomes the server, and is told what that says. */
const MANAGER = `
import os, socket, sys, threading
where, *command = sys.argv[1:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(where + "/notify")
sockets = [socket.socket(socket.AF_UNIX), socket.socket(socket.AF_INET)]
sockets[0].bind(where + "/s")
sockets[1].bind(("127.0.0.1", 0))
for s in sockets: s.listen()
pid = os.fork()
if pid == 0:
    for i, s in enumerate(sockets): os.dup2(s.fileno(), 10 + i)
    for i in range(len(sockets)): os.dup2(10 + i, 3 + i)
    names = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "NOTIFY_SOCKET": where + "/notify"}
    os.execvpe(command[0], command, {**os.environ, **names})
print(notify.recv(1000).decode(), flush=True)
import subprocess
port = sockets[1].getsockname()[1]
for uri in ["nbd+unix:///?socket=" + where + "/s", "nbd://127.0.0.1:%d" % port]:
    print(subprocess.check_output(["nbdinfo", "--size", uri]).decode(), flush=True)
helpers = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True).stdout.decode().split()
for helper in helpers:
    leaked = open("/proc/%s/environ" % helper).read()
    if "LISTEN_" in leaked or "NOTIFY_SOCKET" in leaked: print("leaked", leaked)
os.kill(pid, 15)
print(notify.recv(1000).decode(), flush=True)
print("ended", os.waitpid(pid, 0)[1])
`;

t.test('sockets of a service manager, which is told', async (t) => {
  const { at, args } = await place(t);
  const manager = await run(PYTHON, ['-c', MANAGER, at('.'), RUN, 'serve', ...args, '-r']);
  t.equal(manager.exitCode, 0, manager.stderr);
  t.match(manager.stdout, /^READY=1\nSTATUS=serves .*\n1048576\n\n1048576\n\nSTOPPING=1\nended 0$/);
  t.match(manager.stderr, new RegExp(`nbd\\+unix:///\\?socket=\\S+/s serves .* also at nbd://127`));
  // libnbd's way to start a server.
  const info = await run('nbdinfo', ['--size', '--', '[', RUN, 'serve', ...args, ']']);
  t.match(info, { exitCode: 0, stdout: String(MIB) });
});

t.test('--exit-with-parent', async (t) => {
  const { at, args } = await place(t);
  const pidfile = at('pid');
  const command = [RUN, 'serve', ...args, '-U', at('s'), '-P', pidfile, '--exit-with-parent'];
  const parent = `"$@" & while ! test -s ${pidfile}; do sleep 0.05; done`;
  t.match(await run('sh', ['-c', parent, 'sh', ...command]), { exitCode: 0 });
  // The pidfile goes at the end; before that the server may still run.
  await eventually('the end of the server', () => {
    try {
      return !isRunning(Number(readFileSync(pidfile, 'utf8')));
    } catch {
      return true;
    }
  });
  t.pass('it went with its parent');
});
