// The command line as a user meets it: help, version, and the manifest that makes the start fast.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import Serve from '../../src/commands/serve.js';
import { REPO, RUN, run, runServe } from '../lib/serve.js';

t.test('help names every flag and parameter, on stdout', async (t) => {
  const { exitCode, stdout, stderr } = await runServe(['--help']);
  t.equal(exitCode, 0);
  t.equal(stderr, '');
  for (const [name, flag] of Object.entries(Serve.flags)) {
    if (flag.hidden !== true) t.match(stdout, new RegExp(`--(\\[no-\\])?${name}\\b`), name);
  }
  for (const name of ['file=', 'engine=', 'libdir=']) t.match(stdout, name);
  t.match((await runServe(['-h'])).stdout, stdout.slice(0, 20));
});

t.test('flags have the letters of nbdkit', (t) => {
  const letters = Object.entries(Serve.flags).map(([name, flag]) => [flag.char, name]);
  const expected = {
    D: 'debug',
    4: 'ipv4',
    6: 'ipv6',
    e: 'exportname',
    f: 'foreground',
    g: 'group',
    h: 'help',
    i: 'ipaddr',
    n: 'newstyle',
    o: 'oldstyle',
    P: 'pidfile',
    p: 'port',
    r: 'readonly',
    s: 'single',
    t: 'threads',
    U: 'unix',
    u: 'user',
    V: 'version',
    v: 'verbose',
  };
  t.same(Object.fromEntries(letters.filter(([letter]) => letter !== undefined)), expected);
  t.end();
});

t.test('the manifest is of this command', (t) => {
  const manifest = JSON.parse(readFileSync(path.join(REPO, 'oclif.manifest.json'), 'utf8'));
  const sources = readdirSync(path.join(REPO, 'src/commands'));
  // all.ts is the list of them.
  const commands = sources
    .map((file) => path.basename(file, '.ts'))
    .filter((name) => name !== 'all');
  t.same(Object.keys(manifest.commands).sort(), commands.sort());
  t.same(Object.keys(manifest.commands.serve.flags).sort(), Object.keys(Serve.flags).sort());
  t.end();
});

t.test('version, and a command that does not exist', async (t) => {
  const version = { exitCode: 0, stdout: /^vddk-nbd\/\d+\.\d+\.\d+ [^\n]*$/, stderr: /^$/ };
  for (const args of [['--version'], ['serve', '--version'], ['serve', '-r', '-V']]) {
    t.match(await run(RUN, args), version, args.join(' '));
  }
  const homeless = { env: { HOME: '/dev/null' } };
  t.match(await run(RUN, ['--version'], homeless), version, 'a home that is none');
  const unknown = await run(RUN, ['sevre']);
  t.match(unknown, { exitCode: 1, stderr: /^vddk-nbd: error: command sevre not found\. .*$/ });
  const unheard = await run('sh', ['-c', '"$0" serve --help >/dev/full', RUN]);
  t.match(unheard, { exitCode: 1, stderr: /^vddk-nbd: error: ENOSPC.*$/ });
});

t.test('the stack of an error is shown with DEBUG alone', async (t) => {
  const env = { DEBUG: 'vddk-nbd' };
  t.notMatch((await runServe(['/no/such'])).stderr, /\n +at /);
  t.match((await runServe(['/no/such'], { env })).stderr, /no such file[^]*\n +at /);
});
