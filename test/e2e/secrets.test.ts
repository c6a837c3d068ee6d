// Passwords and cookies: every way to give one, and that they are nowhere to be found afterwards:
// arguments, environment, log, messages, core files.
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  existsSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import t, { type Test } from 'tap';
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
  const stale = await runServe([`cookie=${wrong}`, ...DISK], { env: setUp(dir) });
  t.match(stale, { exitCode: 1, stderr: /does not take this cookie.*\. Log in anew/ });
  t.notMatch(stale.stderr, wrong);
});

t.test('messages about a mistyped parameter or flag', async (t) => {
  const wrong = 'wrong horse-battery';
  for (const [args, message] of [
    [[`pasword=${wrong}`], /unknown parameter 'pasword'\. Did you mean password=/],
    [[`PASSWORD=${wrong}`], /unknown parameter 'PASSWORD'\. Did you mean password=/],
    [[`password:${wrong}`], /password lacks its =\. Write password=/],
    [['Password', wrong], /password lacks its =\. Write password=/],
    [['password=', wrong], /password= is empty, and what follows it has no key\. Write password=/],
    [[`--password=${wrong}`], /Nonexistent flag: --password=\*\*\*\./],
    [[`-cookie=${wrong}`, '--no-such'], /Nonexistent flags: -cookie=\*\*\*, --no-such\./],
    [[`-password=${wrong}`], /an integer but received: assword=\*\*\*\./],
    [['--password:' + wrong], /Nonexistent flag: --password:\*\*\*\.|--password=\*\*\*/],
    [['password=', `--${wrong}`], /Nonexistent flag: \*\*\*\./],
    [['password=', `-p${wrong}`], /an integer but received: \*\*\*\./],
    [['-p', `password=${wrong}`], /an integer but received: password=\*\*\*\./],
    [['--tls', `password=${wrong}`], /Expected --tls=password=\*\*\* to be one of/],
    [['--params', `password=${wrong}`], /--params password=\*\*\*: ENOENT/],
    [[`port=443password=${wrong}`], /port=: '443password=\*\*\*' is not/],
    [["transports=nbd 'Cookie':" + wrong], /transports=: 'nbd 'Cookie':\*\*\*' is not a list/],
    [['password=correct', wrong], /what follows password= is no disk, .* into a file/],
  ] as const) {
    for (const env of [{}, { DEBUG: 'vddk-nbd' }]) {
      const ended = await runServe([...DISK, ...args], { env });
      t.match(ended, { exitCode: 1, stderr: message });
      t.notMatch(ended.stderr, /wrong|horse/);
    }
  }
  const server = DISK.filter((it) => !it.startsWith('server='));
  const login = await runServe([...server, `server=vpx://root:${wrong}@vc`, 'password=-']);
  t.match(login, { exitCode: 1, stderr: /server=: there is a login or another parameter in it/ });
  t.notMatch(login.stderr, /wrong|horse/);
  const debugged = await run(RUN, ['serve', '/none', `password=${wrong}`], { env: { DEBUG: '*' } });
  t.match(debugged, { exitCode: 1, stderr: /also needs server=.*\n +at / });
  t.notMatch(debugged.stderr, /wrong|horse/);
  const checked = await run(RUN, ['check', `password=${wrong}`]);
  t.match(checked, { exitCode: 1, stderr: /check takes no password/ });
  const socket = await run(RUN, ['serve', '/none', '-U/run/a:b.sock', '-p', '3']);
  t.match(socket.stderr, /--unix=\/run\/a:b\.sock cannot also be/, 'what is no secret is shown');
  const known = await runServe([...DISK, '--tls=offf']);
  t.match(known.stderr, /Expected --tls=offf to be one of/, 'what is no secret is shown');
  const command = await run(RUN, [`password=${wrong}`]);
  t.match(command, { exitCode: 1, stderr: /command password=\*\*\* not found/ });
  const word = await run(RUN, ['password', wrong]);
  t.match(word, { exitCode: 1, stderr: /command password not found/ });
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
  const empty = await runServe(['password=+/dev/null', ...DISK], { env });
  t.match(empty, { exitCode: 1, stderr: /^.*warning: the password is empty\n.*Check user= and/ });
  const piped = `exec 8< <(cat ${file}) 9<&8; exec "$0" "$@"`;
  const byPipe = await run('bash', ['-c', piped, RUN, 'serve', 'password=-9', ...DISK, ...served], {
    env,
  });
  t.match(byPipe, { exitCode: 0, stderr: quiet }, 'a pipe that has two numbers');
  const fifo = path.join(dir, 'fifo');
  await must('mkfifo', [fifo]);
  const writer = openSync(fifo, 'r+');
  writeSync(writer, `${PASSWORD}\nanother line`);
  const byFifo = ['-c', `exec "$0" "$@" 9<${fifo}`, RUN, 'serve', 'password=-9'];
  const ended = await run('sh', [...byFifo, ...DISK, ...served], { env, timeout: 60_000 });
  t.match(ended, { exitCode: 0, stderr: quiet }, 'the first line of a pipe that stays open');
  closeSync(writer);
  t.match((await runServe([`password=+${dir}/none`, ...DISK])).stderr, /ENOENT/);
});

t.test('any bytes, however they are given', async (t) => {
  const dir = shortDir(t);
  const env = setUp(dir);
  const odd = Buffer.from('p\xff\xc3 \xe4w', 'latin1');
  const account = Buffer.concat([Buffer.from('user=me\npassword='), odd, Buffer.from('\n')]);
  const disk = `[ds] a.vmdk=${dir}/disk.img\n`;
  writeFileSync(path.join(dir, 'server'), Buffer.concat([account, Buffer.from(disk)]));
  const params = path.join(dir, 'params');
  writeFileSync(params, account, { mode: 0o600 });
  const served = DISK.filter((argument) => argument !== 'user=me').concat('--run', 'true');
  const byFile = await runServe(['--params', params, ...served], { env });
  t.match(byFile, { exitCode: 0 }, 'in a file of parameters');
  const literal = ['-c', `"$0" serve user=me "$(tail -n 1 ${params})" "$@"`, RUN, ...served];
  t.match(await run('sh', literal, { env }), { exitCode: 0 }, 'as an argument');
});

/** A session at a terminal of its own: at its n-th prompt keys are typed, or a thing is done. */
async function atTerminal(
  t: Test,
  session: string,
  env: NodeJS.ProcessEnv,
  atPrompts: readonly (string | (() => void))[],
): Promise<string> {
  const script = execa('script', ['-qefc', session, path.join(shortDir(t), 'log')], {
    env: { ...env, SHELL: '/bin/sh' },
    reject: false,
    timeout: 120_000,
  });
  let screen = '';
  script.stdout.on('data', (chunk: Buffer) => (screen += chunk.toString()));
  for (const [n, what] of atPrompts.entries()) {
    await eventually(`prompt ${n}`, () => screen.split('password: ').length > n + 1);
    if (typeof what === 'string') script.stdin.write(what);
    else what();
  }
  await script;
  return screen;
}

t.test('at the terminal', async (t) => {
  const env = { ...setUp(shortDir(t)), PATH: process.env['PATH'] };
  const command = [RUN, 'serve', 'password=-', ...DISK, '--run', 'echo served']
    .map((word) => `'${word}'`)
    .join(' ');
  const session = `${command}; echo status $?; stty`;
  const screen = await atTerminal(t, session, env, [`${PASSWORD}x\x7f\r`]);
  t.match(screen, /password: \s*\n[^]*served[^]*status 0/, 'one character too many is taken back');
  t.notOk(tells(screen), 'nothing is shown');
  t.notMatch(screen, /-echo\b/, 'the terminal is as it was');

  // The shell of the session gets the signal too, and heeds it when its command has ended.
  for (const [key, name] of [
    ['\x03', 'SIGINT'],
    ['\x1c', 'SIGQUIT'],
  ] as const) {
    const ended = await atTerminal(t, `trap : INT QUIT; ${session}`, env, [`abc${key}`]);
    t.match(ended, `status ${128 + constants.signals[name]}`, name);
    t.notMatch(ended, /served|-echo\b/);
  }

  for (const name of ['HUP', 'INT', 'QUIT', 'TERM']) {
    const pid = path.join(shortDir(t), 'pid');
    // With job control the shell would put the terminal back.
    const killed = `${command} & echo $! >${pid}; wait $!; echo ended; stty`;
    const ended = await atTerminal(t, killed, env, [
      () => process.kill(Number(readFileSync(pid, 'utf8')), `SIG${name}`),
    ]);
    t.match(ended, /password: [^]*ended/, name);
    t.notMatch(ended, /^served|-echo\b/m, name);
  }

  const dir = shortDir(t);
  const [terminal, errors, status] = ['terminal', 'errors', 'status'].map((name) =>
    path.join(dir, name),
  ) as [string, string, string];
  const left = `trap : HUP; echo $PPID >${terminal}; ${command} 2>${errors}; echo $? >${status}`;
  await atTerminal(t, left, env, [() => process.kill(Number(readFileSync(terminal, 'utf8')), 9)]);
  await eventually('the end', () => existsSync(status) && readFileSync(status, 'utf8') !== '');
  t.equal(readFileSync(status, 'utf8'), '129\n', 'ended by SIGHUP when the terminal goes');
  t.notMatch(readFileSync(errors, 'utf8'), /error|Assertion/);

  // Signals don't end the first process of a container.
  const container = ['-pf', '--mount-proc'];
  if ((await run('unshare', [...container, 'true'])).exitCode === 0) {
    const inside = `trap : INT; unshare ${container.join(' ')} ${session}`;
    const first = await atTerminal(t, inside, env, ['abc\x03']);
    t.match(first, /status 130/);
    t.notMatch(first, /-echo\b/);
  } else t.comment('there are no namespaces of processes here');

  const stopped = `${command}; echo status $?; stty; fg`;
  const resumed = await atTerminal(t, `bash -mc "${stopped.replaceAll('$', '\\$')}"`, env, [
    'abc\x1a',
    `${PASSWORD}\r`,
  ]);
  t.match(resumed, /password: [^]*status 148[^]*password: \s*\n[^]*served/, 'stopped, asked again');
  t.notMatch(resumed, /-echo\b/, 'the shell had its terminal as it was');

  const none = await must('setsid', ['-w', 'sh', '-c', `${command} 2>&1 || true`], { env });
  t.match(none, /there is no terminal to ask for the password at\. Use password=\+FILE/);
  const cookie = command.replace('password=-', 'cookie=-');
  const noCookie = await must('setsid', ['-w', 'sh', '-c', `${cookie} 2>&1 || true`], { env });
  t.match(noCookie, /there is no terminal to ask for the cookie at\. Use cookie=\+FILE/);
});
