// Several disks in one server: each is opened for its first client, in a helper of its own, and
// what happens to one is nothing to the others.
import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { makeEmpty } from '../lib/disks.js';
import { infoBytes, NbdClient } from '../lib/nbd-client.js';
import { eventually, must, REPO, run, runServe, shortDir, startServer } from '../lib/serve.js';

const MIB = 1024 * 1024;
const [LIST, GO] = [3, 7] as const;
const NAMES = ['one', 'two', 'three 3'];

/** Three disks of 1, 2 and 3 MiB, as arguments of serve. */
async function disks(t: Test): Promise<{ dir: string; args: string[] }> {
  const dir = shortDir(t);
  // A spare would be one more helper, as soon as a slow machine gives it time.
  const args = ['engine=builtin', '--no-spare'];
  for (const [i, name] of NAMES.entries()) {
    const file = path.join(dir, `${i}.vmdk`);
    await makeEmpty(file, (i + 1) * MIB, 'monolithicSparse');
    args.push('--export', `${name}=${file}`);
  }
  return { dir, args };
}

/** The URI of another export of the server with `uri`. */
function named(uri: string, name: string): string {
  return uri.replace(/\/[^/?]*(\?|$)/, `/${encodeURIComponent(name)}$1`);
}

t.test('each is opened for its first client', async (t) => {
  const { dir, args } = await disks(t);
  const server = await startServer(t, [...args, '-U', path.join(dir, 's')]);
  t.match(server.stderr, /nbd\+unix:\/\/\/one\?\S+ serves 3 disks \(writable\): one, two, three 3/);
  const client = await NbdClient.connect({ kind: 'unix', path: path.join(dir, 's') });
  await client.greet();
  const listed = (await client.option(LIST)).slice(0, -1).map(({ data }) => {
    const end = 4 + data.readUInt32BE();
    return [data.toString('utf8', 4, end), data.toString('utf8', end)];
  });
  t.same(
    listed,
    NAMES.map((name, i) => [name, path.join(dir, `${i}.vmdk`)]),
  );
  t.same(server.helpers, [], 'none is open before the first client');
  t.equal(String((await client.option(GO, infoBytes('four')))[0]?.data), 'no export has this name');
  client.destroy();
  t.equal(await must('nbdinfo', ['--size', named(server.uri!, 'two')]), String(2 * MIB));
  t.equal(server.helpers.length, 1);
  t.match(server.stderr, /export two: \S+ \(2 MiB, writable\) is open with the built-in engine/);
  t.equal(await must('nbdinfo', ['--size', named(server.uri!, '')]), String(MIB), 'the first');
  t.equal(await must('nbdinfo', ['--size', named(server.uri!, 'three 3')]), String(3 * MIB));
  t.equal(server.helpers.length, 3);
  const all = JSON.parse(await must('nbdinfo', ['--list', '--json', server.uri!])) as unknown;
  t.match(all, { exports: NAMES.map((name) => ({ 'export-name': name })) });

  const write = (name: string, byte: number): string[] => [
    ...['-f', 'raw', '-c', `write -P ${byte} 0 64k`, '-c', `read -P ${byte} 0 64k`],
    named(server.uri!, name),
  ];
  const [victim, ...others] = server.helpers;
  process.kill(victim!, 'SIGKILL');
  for (const [i, name] of NAMES.entries()) {
    t.notMatch(await must('qemu-io', write(name, i + 1)), /failed/);
  }
  t.same(
    server.helpers.filter((pid) => others.includes(pid)),
    others,
    'the death of one is nothing to the others',
  );
  t.equal(server.helpers.length, 3);
  t.match(await server.stop(), { exitCode: 0 });
  for (const [i, name] of NAMES.entries()) {
    const check = ['-f', 'vmdk', '-c', `read -P ${i + 1} 0 64k`, path.join(dir, `${i}.vmdk`)];
    t.notMatch(await must('qemu-io', check), /failed/, `${name} has its own bytes`);
  }
});

t.test('one that does not open harms nobody', async (t) => {
  const { dir, args } = await disks(t);
  const broken = path.join(dir, 'broken.vmdk');
  writeFileSync(broken, 'no disk at all '.repeat(100));
  const more = ['--export', `broken=${broken}`, '-U', path.join(dir, 's')];
  const server = await startServer(t, [...args, ...more]);
  const refused = await run('nbdinfo', ['--size', named(server.uri!, 'broken')]);
  t.match(refused, { exitCode: 1, stderr: /no export/ });
  const client = await NbdClient.connect({ kind: 'unix', path: path.join(dir, 's') });
  await client.greet();
  const [reply] = await client.option(GO, infoBytes('broken'));
  t.match(String(reply?.data), /^the disk can't be opened: .*broken\.vmdk/);
  client.destroy();
  t.match(server.stderr, /error: export broken: .*broken\.vmdk/);
  t.equal(await must('nbdinfo', ['--size', named(server.uri!, 'two')]), String(2 * MIB));
  t.match(await server.stop(), { exitCode: 0 });
});

t.test('--eager, and file= beside --export', async (t) => {
  const { dir, args } = await disks(t);
  const own = path.join(dir, 'own.vmdk');
  await makeEmpty(own, 7 * MIB, 'monolithicSparse');
  const both = await startServer(t, [`file=${own}`, ...args, '-U', path.join(dir, 's')]);
  t.equal(both.helpers.length, 1, 'file= is always open');
  t.equal(await must('nbdinfo', ['--size', both.uri!]), String(7 * MIB), 'and the default');
  t.equal(await must('nbdinfo', ['--size', named(both.uri!, 'one')]), String(MIB));
  await both.stop();
  const eager = await startServer(t, [...args, '--eager', '-U', path.join(dir, 's')]);
  t.equal(eager.helpers.length, 3);
  await eager.stop();
  const broken = path.join(dir, 'broken.vmdk');
  writeFileSync(broken, 'no disk');
  const failed = await runServe([...args, '--export', `x=${broken}`, '--eager', '-U', '-']);
  t.match(failed, { exitCode: 1, stderr: /^vddk-nbd: error: [^\n]*broken\.vmdk[^\n]*$/ });
});

t.test('what can not be right is said at the start', async (t) => {
  const { args } = await disks(t);
  const missing = await runServe([...args, '--export', 'x=/no/such.vmdk']);
  t.match(missing, { exitCode: 1, stderr: /error: no such file: \/no\/such\.vmdk/ });
  t.match(await runServe([...args, '--export', 'x']), { exitCode: 1, stderr: /names no export/ });
  t.match(await runServe([...args, '-e', 'four']), { exitCode: 1, stderr: /the name 'four'/ });
  const ok = await runServe([...args, '-e', 'two', '--run', 'nbdinfo --size "$uri"']);
  t.match(ok, { exitCode: 0, stdout: String(2 * MIB) });
});

t.test('export=: clients name the disks of a server', async (t) => {
  const dir = shortDir(t);
  const at = (base: string): string => path.join(dir, base);
  for (const [base, sizeBytes] of [
    ['a', MIB],
    ['b', 2 * MIB],
  ] as const) {
    writeFileSync(at(base), '');
    truncateSync(at(base), sizeBytes);
  }
  const names = ['a', 'b'].map((base) => `[ds] vm/${base}.vmdk`);
  const files = ['a', 'b'].map((base, i) => `${names[i]!}=${at(base)}`);
  writeFileSync(at('server'), ['host=vc', 'user=me', 'password=pw', ...files].join('\n'));
  writeFileSync(at('password'), 'pw');
  const login = ['server=vc', 'user=me', `password=+${at('password')}`, 'vm=moref=vm-1'];
  const what = [`libdir=${path.join(REPO, 'build/fault')}`, ...login, 'export=\\[ds\\] vm/*.vmdk'];
  const env = { FAULT_SERVER: at('server'), FAULT_TRANSPORT: 'nbdssl' };
  const server = await startServer(t, [...what, '-r', '--no-spare', '-U', at('s')], { env });
  t.match(server.stderr, /serves what clients name \(read-only\)/);
  const uriOf = (name: string): string =>
    `nbd+unix:///${encodeURIComponent(name)}?socket=${at('s')}`;
  t.same(server.helpers, []);
  t.equal(await must('nbdinfo', ['--size', uriOf(names[0]!)]), String(MIB));
  t.equal(await must('nbdinfo', ['--size', uriOf(names[1]!)]), String(2 * MIB));
  t.equal(server.helpers.length, 2);
  for (const other of ['', '[ds] vm/none.vmdk', '[other] vm/a.vmdk']) {
    t.match(await run('nbdinfo', ['--size', uriOf(other)]), { exitCode: 1 }, other);
  }
  await eventually('the end of what could not be opened', () => server.helpers.length === 2);
  t.match(await server.stop(), { exitCode: 0 });
});

t.test('clients that list a server ask two or three options of each disk', async (t) => {
  const dir = shortDir(t);
  const names = Array.from({ length: 40 }, (_, n) => `disk${n}`);
  const args = [`libdir=${path.join(REPO, 'build/fault')}`, '-r', '--no-spare', '--memory=16M'];
  for (const name of names) {
    writeFileSync(path.join(dir, name), Buffer.alloc(4096));
    args.push('--export', `${name}=${path.join(dir, name)}`);
  }
  const server = await startServer(t, [...args, '-U', path.join(dir, 's')]);
  for (const list of [
    await must('qemu-nbd', ['--list', '-k', path.join(dir, 's')]),
    await must('nbdinfo', ['--list', server.uri!.replace(/\/\/\/[^?]*/, '///')]),
  ]) {
    t.same(
      names.filter((name) => !list.includes(name)),
      [],
    );
  }
});
