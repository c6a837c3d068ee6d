// Input that can't be served: each ends with exit code 1 and one line that helps.
import { copyFileSync, chmodSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import t from 'tap';
import { makeEmpty, makeRaw, makeVmdk } from '../lib/disks.js';
import { run, RUN, runServe, shortDir } from '../lib/serve.js';

/** The only line on stderr, or all of it if there is not exactly one. */
async function refusal(args: string[]): Promise<string> {
  const result = await runServe(args);
  const lines = result.stderr.split('\n');
  if (lines.length !== 1) return `${lines.length} lines: ${result.stderr}`;
  return `${result.exitCode ?? 'none'} ${result.stderr}`;
}

function error(text: RegExp): RegExp {
  return new RegExp(`^1 vddk-nbd: error: .*${text.source}`, text.flags);
}

t.test('file names', async (t) => {
  const dir = t.testdir({ 'a.vmdk': '' });
  t.match(await refusal(['/no/such/disk.vmdk']), error(/no such file: \/no\/such\/disk\.vmdk\. /));
  t.match(await refusal([`file=${dir}`]), error(/is a directory\. /));
  const relative = path.relative(process.cwd(), path.join(dir, 'a.vmdk'));
  t.match(await refusal([relative]), error(/must be absolute: .* Did you mean \/.*a\.vmdk\?/));
  t.match(await refusal([]), error(/no disk is given/));
});

t.test('parameters and flags', async (t) => {
  t.match(await refusal(['fiel=/a']), error(/unknown parameter 'fiel'\. Did you mean file=\?/));
  t.match(await refusal(['/a', '--hekp']), error(/Nonexistent flag: --hekp\. See vddk-nbd serve/));
  t.match(await refusal(['/a', '-p', 'x']), error(/Expected an integer but received: x/));
  t.match(await refusal(['/a', '-p', '70000']), error(/70000/));
  t.match(await refusal(['/a', '-p', '1', '-U', '/s']), error(/--port.*--unix|--unix.*--port/));
  t.match(await refusal(['/a', '--memory', 'lots']), error(/'lots' is not a size\. /));
  t.match(await refusal(['/a', '--memory', '1M']), error(/--memory/));
  t.match(await refusal(['/a', '--shutdown-timeout', '1d']), error(/'1d' is not a duration\. /));
  t.match(await refusal(['/a', '-i', '0.0.0.0']), error(/--insecure/));
  t.match(
    await refusal(['create=true', 'create-size=1M', '--export', 'new=/no/such/new.vmdk']),
    error(/create=true creates the disk of file=, which is not given\. Name the new disk/),
  );
  t.match(await refusal(['--params=']), error(/--params is empty\. Give it a value/));
  t.match(await refusal(['--params', '/dev/zero']), error(/more than 1048576 bytes\. Check/));
  const raw = ['-c', `"$0" serve "$(printf '/vm/\\377.vmdk')"`, RUN];
  t.match(await run('sh', raw), { exitCode: 1, stderr: /is not UTF-8\. .*symbolic link/ });
});

t.test('contents', async (t) => {
  const dir = t.testdir({
    'text.vmdk': 'Not a disk, but a letter.\n'.repeat(100),
    'empty.vmdk': '',
  });
  const file = (base: string): string => path.join(dir, base);
  const open = (base: string): Promise<string> =>
    refusal([`file=${file(base)}`, '-r', '-U', '-', 'engine=builtin']);
  t.match(await open('text.vmdk'), error(/text\.vmdk/));
  t.match(await open('empty.vmdk'), error(/empty\.vmdk/));

  makeRaw(file('in.raw'), 20 * 1024 * 1024, 30);
  await makeVmdk(file('in.raw'), file('sparse.vmdk'), 'monolithicSparse');
  for (const bytes of [300, 1000, 70_000]) {
    copyFileSync(file('sparse.vmdk'), file('cut.vmdk'));
    truncateSync(file('cut.vmdk'), bytes);
    t.match(await open('cut.vmdk'), error(/cut\.vmdk/), `cut to ${bytes} bytes`);
  }

  await makeVmdk(file('in.raw'), file('flat.vmdk'), 'monolithicFlat');
  const descriptor = readFileSync(file('flat.vmdk'), 'latin1');
  writeFileSync(file('other.vmdk'), descriptor.replace('"monolithicFlat"', '"fullDevice"'));
  t.match(await open('other.vmdk'), error(/fullDevice/), 'the subformat is named');
  truncateSync(file('flat-flat.vmdk'), 1024 * 1024);
  t.match(await open('flat.vmdk'), error(/flat-flat\.vmdk/), 'an extent that is too short');
});

t.test('libraries', async (t) => {
  const dir = t.testdir({ lib64: { 'libvixDiskLib.so.8': 'no ELF' }, 'a.vmdk': 'x' });
  const disk = path.join(dir, 'a.vmdk');
  t.match(
    await refusal([disk, 'libdir=/no/such/dir']),
    error(/libdir=\/no\/such\/dir: there is no such/),
  );
  t.match(await refusal([disk, `libdir=${dir}`]), error(/libvixDiskLib\.so\.8/));
  t.match(
    await refusal([disk, 'engine=quick']),
    error(/there is no 'quick'\. Did you mean engine=auto/),
  );
});

t.test('places to listen', async (t) => {
  const dir = shortDir(t);
  writeFileSync(path.join(dir, 'plain'), '');
  const disk = path.join(dir, 'disk.vmdk');
  await makeEmpty(disk, 1024 * 1024, 'monolithicSparse');
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  t.teardown(() => other.close());
  const address = other.address();
  const port = typeof address === 'object' ? String(address?.port) : '';
  t.match(await refusal([disk, 'engine=builtin', '-p', port]), error(/in use/));
  const taken = path.join(dir, 'taken');
  const socket = createServer().listen(taken);
  await new Promise((resolve) => socket.once('listening', resolve));
  t.teardown(() => socket.close());
  t.match(await refusal([disk, 'engine=builtin', '-U', taken]), error(/in use/));
  t.match(await refusal([disk, 'engine=builtin', '-U', path.join(dir, 'plain')]), error(/plain/));
  const deep = path.join(dir, 'missing', 'socket');
  t.match(await refusal([disk, 'engine=builtin', '-U', deep]), error(/missing/));
  const pidfile = path.join(dir, 'missing', 'pid');
  t.match(await refusal([disk, 'engine=builtin', '-U', '-', '-P', pidfile]), error(/pidfile/));
});

t.test('a disk that is in use', async (t) => {
  const disk = path.join(t.testdir({}), 'disk.vmdk');
  await makeEmpty(disk, 1024 * 1024, 'monolithicSparse');
  const inner = `"$RUN" serve "$DISK" engine=builtin -U - --run true; test $? -eq 1`;
  const env = { RUN, DISK: disk };
  const outer = await runServe([disk, 'engine=builtin', '--run', inner], { env });
  t.match(outer, { exitCode: 0, stderr: /error: .*VIX_E_FILE_ALREADY_LOCKED/ });
});

t.test('a read-only directory without -r', async (t) => {
  const dir = t.testdir({});
  const disk = path.join(dir, 'disk.vmdk');
  await makeEmpty(disk, 1024 * 1024, 'monolithicSparse');
  chmodSync(dir, 0o555);
  // Root may write anywhere; without its capabilities it is an owner like any other.
  const args = [process.execPath, RUN, 'serve', disk, 'engine=builtin', '--run', 'true'];
  const drop = ['--bounding-set=-all', '--inh-caps=-all', '--'];
  const [command, ...rest] = process.getuid?.() === 0 ? ['setpriv', ...drop, ...args] : args;
  const refused = await run(command!, rest);
  t.match(refused, {
    exitCode: 1,
    stderr: /^vddk-nbd: error: the directory .* is not writable\. /,
  });
  t.notMatch(refused.stderr, /\n/, 'one line');
  const readOnly = await run(command!, [...rest, '-r']);
  chmodSync(dir, 0o755);
  t.match(readOnly, { exitCode: 0 });
});
