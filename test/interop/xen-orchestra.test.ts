// @vates/nbd-client, with which Xen Orchestra reads disks: one connection, several, over TLS, and
// a server on its standard streams. It is fetched by the npm of whoever runs the tests; what two of
// its dependencies give (a map of VHDs, the API of Xen) is not needed to read.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { Authority } from '../lib/certificates.js';
import { must, RUN, shortDir } from '../lib/serve.js';
import { LIBDIR, MIB, place, REMOTE, serveImage } from './served.js';

const NEEDS = [
  'promise-toolbox@0.21.0',
  '@vates/read-chunk@1.2.1',
  '@vates/async-each@1.0.3',
  '@xen-orchestra/log@0.7.2',
];

/** Reads the whole disk as its settings say, and gives the map and a hash to whoever asked. */
const READER = `
import { createHash } from 'node:crypto';
import { NbdStdioClient, NbdTcpClient } from '@vates/nbd-client';
import MultiNbdClient from '@vates/nbd-client/multi.mjs';
const { kind, settings, options } = JSON.parse(process.argv[2]);
const Client = { tcp: NbdTcpClient, stdio: NbdStdioClient, multi: MultiNbdClient }[kind];
const client = new Client(settings, options);
await client.connect();
const size = Number(client.exportSize);
const block = 2 ** 20 - 4096;
const blocks = Array.from({ length: Math.ceil(size / block) }, (_, index) => index);
const pieces = [];
while (blocks.length > 0) {
  // As many at once as its users have.
  const some = blocks.splice(0, 16);
  pieces.push(...(await Promise.all(some.map((index) => client.readBlock(index, block)))));
}
const hash = createHash('sha256');
for (const piece of pieces) hash.update(piece);
const map = kind === 'tcp' && settings.cert === undefined ? await client.getMap() : undefined;
await client.disconnect();
console.log(JSON.stringify({ size, hash: hash.digest('hex'), map }));
`;

/** Installs the client in a directory of its own; the path of READER there. */
async function install(dir: string): Promise<string> {
  const home = path.join(dir, 'node_modules/@vates/nbd-client');
  writeFileSync(path.join(dir, 'package.json'), '{"private": true}');
  const options = { cwd: dir };
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline'];
  await must('npm', ['install', ...quiet, ...NEEDS], options);
  const [tarball = ''] = (
    await must('npm', ['pack', '--silent', '@vates/nbd-client@3.6.0'], options)
  )
    .trim()
    .split('\n')
    .slice(-1);
  mkdirSync(home, { recursive: true });
  await must('tar', ['-xzf', path.join(dir, tarball), '-C', home, '--strip-components=1']);
  writeFileSync(path.join(dir, 'reader.mjs'), READER);
  return path.join(dir, 'reader.mjs');
}

t.test('Xen Orchestra reads disks', async (t) => {
  const reader = await install(shortDir(t));
  const { at, image } = place(t);
  const sizeBytes = 20 * MIB + 3 * 512;
  const source = image('disk', sizeBytes);
  const hash = createHash('sha256').update(readFileSync(source)).digest('hex');
  const read = async (kind: string, settings: object, options = {}): Promise<object> => {
    const given = JSON.stringify({ kind, settings, options });
    return JSON.parse(await must(process.execPath, [reader, given])) as object;
  };
  const portOf = (uri: string): number => Number(/:(\d+)/.exec(uri)?.[1]);

  const server = await serveImage(t, source, ['-r', '-p', '0']);
  const address = { address: '127.0.0.1', port: portOf(server.uri!) };
  const map = [
    { offset: 0, description: 'data', type: 0 },
    { description: 'hole,zero', type: 3 },
  ];
  t.match(await read('tcp', address), { size: sizeBytes, hash, map }, 'one connection, and a map');
  t.match(await read('multi', address, { nbdConcurrency: 4 }), { size: sizeBytes, hash }, 'four');

  await (await Authority.make(at('ca'))).issue(at('server'), 'server');
  const tls = ['-p', '0', '--tls=require', '--tls-certificates', at('server')];
  const secure = await serveImage(t, image('other', sizeBytes), ['-r', ...tls]);
  const cert = readFileSync(at('server/ca-cert.pem'), 'utf8');
  const settings = { ...address, port: portOf(secure.uri!), cert };
  t.match(await read('tcp', settings), { size: sizeBytes, hash }, 'over TLS');

  const args = ['serve', '-s', '-r', LIBDIR, `file=${source}`];
  const child = { command: RUN, args, env: { ...process.env, ...REMOTE } };
  t.match(await read('stdio', child), { size: sizeBytes, hash }, 'on standard streams');
});
