// TLS with real clients: certificates and pre-shared keys; who is not welcome is refused, and the
// log says why.
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { Authority } from '../lib/certificates.js';
import { makeEmpty } from '../lib/disks.js';
import { NbdClient, optionBytes } from '../lib/nbd-client.js';
import {
  type Ended,
  eventually,
  must,
  run,
  runServe,
  SERVED,
  shortDir,
  startServer,
} from '../lib/serve.js';

const MIB = 1024 * 1024;
const [LIST, GO] = [3, 7] as const;
const TLS_REQD = 0x80000005;

/** A disk, a CA with a server's and a client's certificate, and the arguments that serve it. */
async function place(t: Test) {
  const dir = shortDir(t);
  const at = (base: string): string => path.join(dir, base);
  await makeEmpty(at('disk.vmdk'), MIB, 'monolithicSparse');
  const ca = await Authority.make(at('ca'));
  await ca.issue(at('server'), 'server');
  await ca.issue(at('client'), 'client');
  const args = [at('disk.vmdk'), 'engine=builtin', '-p', '0', '--tls-certificates', at('server')];
  return { at, ca, args };
}

/** The URI as a client with the files in `directory` has it. */
function as(uri: string, directory: string): string {
  const bare = uri.replace(/^nbds?:/, 'nbds:').replace(/\/?(\?.*)?$/, '');
  return `${bare}/?tls-certificates=${directory}`;
}

/** qemu-img's look at the export of `uri` with the credentials in `object`. */
function qemuInfo(uri: string, object: string): Promise<Ended> {
  const image = `driver=nbd,host=127.0.0.1,port=${new URL(uri).port},tls-creds=t`;
  return run('qemu-img', [
    'info',
    '--object',
    `${object},id=t,endpoint=client`,
    '--image-opts',
    image,
  ]);
}

t.test('certificates: nbdinfo, nbdcopy, qemu-img', async (t) => {
  const { at, args } = await place(t);
  const server = await startServer(t, [...args, '--tls=require', '--tls-verify-peer']);
  t.match(server.uri, /^nbds:\/\/127\.0\.0\.1:\d+\/\?tls-certificates=\S+\/server$/);
  const uri = as(server.uri!, at('client'));
  t.match(await must('nbdinfo', [uri]), /protocol: newstyle-fixed with TLS/);
  t.match(await run('nbdcopy', ['--connections=4', uri, at('out')]), { exitCode: 0 });
  const seen = await qemuInfo(server.uri!, `tls-creds-x509,dir=${at('client')}`);
  t.match(seen, { exitCode: 0, stdout: /1 MiB/ });
  const script = [
    'import nbd, sys',
    'h = nbd.NBD()',
    'h.set_uri_allow_local_file(True)',
    'h.connect_uri(sys.argv[1])',
    'h.pwrite(b"x" * 700000, 5)',
    'assert h.pread(700000, 5) == b"x" * 700000',
  ].join('\n');
  t.match(await run('/usr/bin/python3', ['-c', script, uri]), { exitCode: 0 });
  t.match(await server.stop(), { exitCode: 0 });
});

t.test('pre-shared keys', async (t) => {
  const { at, args } = await place(t);
  const keys = (directory: string, text: string): string => {
    mkdirSync(at(directory));
    writeFileSync(at(`${directory}/keys.psk`), text, { mode: 0o600 });
    return at(`${directory}/keys.psk`);
  };
  const right = keys('right', `alice:${'0123456789abcdef'.repeat(4)}\n`);
  keys('wrong', `alice:${'0f'.repeat(32)}\n`);
  keys('bob', `bob:${'0123456789abcdef'.repeat(4)}\n`);
  const server = await startServer(t, [...args.slice(0, -2), '--tls=require', '--tls-psk', right]);
  const uri = (user: string, directory: string): string => {
    const { port } = new URL(server.uri!);
    return `nbds://${user}@127.0.0.1:${port}/?tls-psk-file=${at(directory)}/keys.psk`;
  };
  const clients: ((user: string, directory: string) => Promise<Ended>)[] = [
    (user, directory) => run('nbdinfo', [uri(user, directory)]),
    (user, directory) => run('nbdcopy', [uri(user, directory), at('out')]),
    (user, directory) =>
      qemuInfo(server.uri!, `tls-creds-psk,dir=${at(directory)},username=${user}`),
  ];
  t.match(await must('nbdinfo', [uri('alice', 'right')]), /with TLS/);
  const reasons = { wrong: 'pre-shared key is another one', bob: 'no known user of --tls-psk' };
  for (const client of clients) {
    t.match(await client('alice', 'right'), { exitCode: 0 });
    for (const [directory, reason] of Object.entries(reasons)) {
      const mark = server.stderr.length;
      const user = directory === 'bob' ? 'bob' : 'alice';
      t.match(await client(user, directory), { exitCode: 1 });
      await eventually('the reason', () => server.stderr.slice(mark).includes(reason));
    }
  }
});

t.test('a key that others can read', async (t) => {
  const { at, args } = await place(t);
  const serve = [...args.slice(0, 2), '--run', 'true'];
  const certificates = [...serve, '--tls-certificates', at('server')];
  t.match(await runServe(certificates), SERVED, 'openssl makes it for its owner');
  chmodSync(at('server/server-key.pem'), 0o644);
  const stderr = /warning: others can read \S+\/server-key\.pem; chmod 600 helps/;
  t.match(await runServe(certificates), { exitCode: 0, stderr });
  writeFileSync(at('keys'), `alice:${'0123456789abcdef'.repeat(4)}\n`, { mode: 0o644 });
  const warned = { exitCode: 0, stderr: /warning: others can read \S+\/keys; chmod 600 helps/ };
  t.match(await runServe([...serve, '--tls-psk', at('keys')]), warned);
  chmodSync(at('keys'), 0o600);
  t.match(await runServe([...serve, '--tls-psk', at('keys')]), SERVED);
});

t.test('who is refused, and why', async (t) => {
  const { at, ca, args } = await place(t);
  const other = await Authority.make(at('ca2'));
  await other.issue(at('stranger'), 'client');
  copyFileSync(at('ca/ca-cert.pem'), at('stranger/ca-cert.pem'));
  await other.issue(at('distrustful'), 'client');
  await ca.issue(at('expired'), 'client', -1);
  await ca.issue(at('revoked'), 'client');
  await ca.issue(at('nobody'), 'server');
  await ca.revoke(at('revoked/client-cert.pem'), at('server'));
  const server = await startServer(t, [...args, '--tls=require', '--tls-verify-peer']);
  const refused = async (who: string, reason: RegExp): Promise<void> => {
    const uri = as(server.uri!, at(who));
    const clients = [() => run('nbdinfo', ['--size', uri]), () => run('nbdcopy', [uri, at('out')])];
    // qemu looks at its own certificate before it connects, and at the server's last of all.
    if (who === 'revoked' || who === 'nobody') {
      clients.push(() => qemuInfo(uri, `tls-creds-x509,dir=${at(who)}`));
    }
    for (const client of clients) {
      const before = server.stderr.length;
      t.match(await client(), { exitCode: 1 }, who);
      await eventually(`why ${who} was refused`, () => reason.test(server.stderr.slice(before)));
    }
  };
  await refused('stranger', /warning: client \d+: TLS: the client's certificate is .*CA/);
  await refused('expired', /TLS: the client's certificate has expired/);
  await refused('revoked', /TLS: the client's certificate is revoked/);
  await refused('nobody', /TLS: the client has shown no certificate/);
  await refused('distrustful', /TLS: the client .*this server's certificate/);
  const plain = await run('nbdinfo', [server.uri!.replace(/^nbds/, 'nbd').replace(/\/\?.*/, '')]);
  t.match(plain, { exitCode: 1 });
  await eventually('a word on it', () => /without TLS, which is required/.test(server.stderr));
  t.equal(await must('nbdinfo', ['--size', as(server.uri!, at('client'))]), String(MIB));
});

t.test(
  'require says nothing before TLS, and takes no byte in the clear behind STARTTLS',
  async (t) => {
    const { args } = await place(t);
    const server = await startServer(t, [...args, '--tls=require']);
    const { port } = new URL(server.uri!);
    const address = { kind: 'tcp', host: '127.0.0.1', port: Number(port) } as const;
    const client = await NbdClient.connect(address);
    await client.greet();
    for (const option of [LIST, GO, 6, 8, 9, 10, 11, 77]) {
      t.match(await client.option(option, Buffer.alloc(9)), [{ type: TLS_REQD }], `${option}`);
    }
    client.destroy();
    const injects = await NbdClient.connect(address);
    await injects.greet();
    const inTheClear = [optionBytes(5), optionBytes(LIST)];
    injects.write(Buffer.concat(inTheClear));
    t.equal((await injects.rest()).length, 0);
    const mumbles = await NbdClient.connect(address);
    await mumbles.greet();
    t.match(await mumbles.option(5), [{ type: 1 }]);
    mumbles.write(Buffer.from('this is no ClientHello at all, sorry'));
    await mumbles.rest();
    await eventually('the reason', () => /does not speak TLS/.test(server.stderr));
  },
);

t.test('on: with and without; SIGHUP reads new certificates', async (t) => {
  const { at, args } = await place(t);
  const server = await startServer(t, [...args, '--tls=on']);
  const uri = server.uri!;
  t.match(uri, /^nbd:/);
  t.match(await must('nbdinfo', [uri]), /without TLS/);
  t.match(await must('nbdinfo', [as(uri, at('client'))]), /with TLS/);
  const other = await Authority.make(at('ca2'));
  await other.issue(at('server'), 'server');
  await other.issue(at('client2'), 'client');
  t.match(await must('nbdinfo', [as(uri, at('client'))]), /with TLS/, 'not before it is asked to');
  server.signal('SIGHUP');
  await eventually('the new ones', () => /credentials were read again/.test(server.stderr));
  t.match(await must('nbdinfo', [as(uri, at('client2'))]), /with TLS/);
  t.match(await run('nbdinfo', [as(uri, at('client'))]), { exitCode: 1 });
  writeFileSync(at('server/server-key.pem'), 'no key');
  server.signal('SIGHUP');
  await eventually('the refusal', () => /old credentials stay in use/.test(server.stderr));
  t.match(server.stderr, /server can't be used: /, 'where they are');
  t.match(await must('nbdinfo', [as(uri, at('client2'))]), /with TLS/);
  t.match(await server.stop(), { exitCode: 0 });
});

t.test('what can not be right is said at the start', async (t) => {
  const { at, args } = await place(t);
  const refused = async (more: string[], stderr: RegExp): Promise<void> => {
    t.match(await runServe([args[0]!, args[1]!, '--run', 'true', ...more]), {
      exitCode: 1,
      stderr,
    });
  };
  await refused(['--tls-certificates', at('nowhere')], /TLS: ENOENT.*server-cert\.pem/);
  await refused(['--tls=require', '--tls-psk', at('disk.vmdk')], /line 1 is no pre-shared key/);
  await refused(['--tls-verify-peer'], /--tls-verify-peer needs TLS/);
  const run = 'nbdinfo "$uri" && echo "$tls|$tls_certificates|$tls_psk"';
  const served = await runServe([
    ...args.filter((arg) => arg !== '-p' && arg !== '0'),
    '--tls=require',
    '--run',
    run,
  ]);
  t.match(served, { exitCode: 0, stdout: new RegExp(`with TLS[^]*2\\|${at('server')}\\|$`) });
});
