// Passwords and cookies: every way to give one, and that they are nowhere to be found afterwards:
// arguments, environment, log, messages, core files.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import {
  childrenOf,
  eventually,
  must,
  REPO,
  run,
  RUN,
  runServe,
  shortDir,
  startServer,
} from '../lib/serve.js';

const PASSWORD = 'correct-horse-battery';
const COOKIE = 'staple-of-a-session';
const LIBDIR = `libdir=${path.join(REPO, 'build/fault')}`;
const DISK = ['server=vc', 'vm=moref=2', 'user=me', LIBDIR, '[ds] a.vmdk', '-r', '-U', '-'];

function setUp(dir: string): NodeJS.ProcessEnv {
  writeFileSync(path.join(dir, 'disk.img'), Buffer.alloc(4096));
  writeFileSync(
    path.join(dir, 'server'),
    `user=me\npassword=${PASSWORD}\ncookie=${COOKIE}\n[ds] a.vmdk=${dir}/disk.img\n`,
  );
  return { FAULT_SERVER: path.join(dir, 'server') };
}

/** Whether `text` has one of the secrets in it. */
const tells = (text: Buffer | string): boolean =>
  Buffer.from(text).includes(PASSWORD) || Buffer.from(text).includes(COOKIE);

for (const secret of [`password=${PASSWORD}`, `cookie=${COOKIE}`]) {
  t.test(`nowhere to be found: ${secret.replace(/=.*/, '')}`, async (t) => {
    const dir = shortDir(t);
    const cwd = path.join(dir, 'cwd');
    mkdirSync(cwd);
    // `exec` keeps the process, the limit lets it leave a core file if it may.
    const shell = ['-c', 'ulimit -c unlimited; exec "$0" "$@"'];
    await run('sh', [...shell, 'sh', '-c', 'kill -SEGV $$'], { cwd });
    const canary = readdirSync(cwd).length;
    const env = setUp(dir);
    const server = await startServer(t, ['-v', secret, ...DISK], { env, cwd });
    t.match(server.stderr, /on the command line can be read by everybody/);
    const helper = server.helper!;
    await eventually('the spare helper', () => server.helpers.length === 2);
    t.equal(childrenOf(server.pid).length, 3, 'the helper, the spare, the janitor');
    for (const pid of [server.pid, ...childrenOf(server.pid)]) {
      for (const file of ['cmdline', 'environ']) {
        t.notOk(tells(readFileSync(`/proc/${pid}/${file}`)), `${file} of ${pid}`);
      }
    }
    const cmdline = readFileSync(`/proc/${server.pid}/cmdline`, 'utf8');
    t.match(cmdline, /^vddk-nbd serve .*=\*\*\* server=vc/);
    process.kill(helper, 'SIGSEGV');
    server.signal('SIGABRT');
    const ended = await server.end;
    t.notOk(tells(ended.stderr + ended.stdout), 'log');
    t.equal(readdirSync(cwd).length, canary, 'no core file');
    if (canary === 0) t.comment('this system writes no core files into the working directory');
  });
}

t.test('messages about a refused login', async (t) => {
  const dir = shortDir(t);
  const wrong = 'wrong-horse-battery';
  const ended = await runServe(['-v', `password=${wrong}`, ...DISK], { env: setUp(dir) });
  t.match(ended, { exitCode: 1, stderr: /Check user= and password=/ });
  t.notMatch(ended.stderr, wrong);
  const mistyped = await runServe([...DISK, `pasword=${wrong}`]);
  t.match(mistyped.stderr, /unknown parameter 'pasword'\. Did you mean password=/);
  t.notMatch(mistyped.stderr, wrong);
});

t.test('a file, a descriptor, a file of parameters', async (t) => {
  const dir = shortDir(t);
  const env = setUp(dir);
  const file = path.join(dir, 'password');
  const params = path.join(dir, 'params');
  writeFileSync(file, `${PASSWORD}\n`, { mode: 0o644 });
  writeFileSync(params, `password=${PASSWORD}\n`, { mode: 0o600 });
  const served = ['--run', 'true'];
  const open = await runServe([`password=+${file}`, ...DISK, ...served], { env });
  t.match(open, { exitCode: 0, stderr: /password, can be read by others; chmod 600/ });
  const quiet = /^vddk-nbd: nbd[^\n]* serves [^\n]*$/;
  const byParams = await runServe(['--params', params, ...DISK, ...served], { env });
  t.match(byParams, { exitCode: 0, stderr: quiet });
  const shell = ['-c', `exec "$0" "$@" 3<${file}`, RUN, 'serve'];
  const byFd = await run('sh', [...shell, 'password=-3', ...DISK, ...served], { env });
  t.match(byFd, { exitCode: 0, stderr: quiet });
  t.match((await runServe(['password=-9', ...DISK])).stderr, /file descriptor 9 is not open/);
  t.match((await runServe([`password=+${dir}/none`, ...DISK])).stderr, /ENOENT/);
});

t.test('at the terminal', async (t) => {
  const dir = shortDir(t);
  const env = { ...setUp(dir), RUN, PATH: process.env['PATH'] };
  const log = path.join(dir, 'log');
  const command = ['serve', 'password=-', ...DISK, '--run', 'echo served']
    .map((word) => `'${word}'`)
    .join(' ');
  // A terminal of its own, whose keyboard is our pipe; one character too many is taken back.
  const typed = async (keys: string): Promise<string> => {
    const session = `stty; ${RUN} ${command}; stty`;
    const script = `(sleep 2; printf '${keys}') | script -qefc "${session}" ${log}`;
    return (await run('sh', ['-c', script], { env })).stdout;
  };
  const screen = await typed(`${PASSWORD}x\\177\\r`);
  t.match(screen, /password: \s*\n[^]*served/);
  t.notOk(tells(screen), 'nothing is shown');
  t.notMatch(screen.slice(screen.indexOf('served')), /-echo\b/, 'the terminal is as it was');
  const interrupted = await typed('abc\\003');
  t.match(interrupted, /password: /);
  t.notMatch(interrupted, /served|-echo\b/);
  const none = await must('setsid', ['-w', 'sh', '-c', `${RUN} ${command} 2>&1 || true`], { env });
  t.match(none, /there is no terminal to ask for the password at\. Use password=\+FILE/);
});
