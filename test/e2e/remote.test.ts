// Disks on a server, as the fault engine plays one: a failing start ends at once with exit code 1
// and one line that helps, under --run and with -P too, and leaves nothing behind.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { REPO, runServe, SERVED, shortDir } from '../lib/serve.js';

const SHA1 = 'B2:31:BD:DE:9F:DB:9D:E0:78:EF:30:42:8A:41:B0:28:92:93:C8:DD';
const BOGUS = Array(20).fill('00').join(':');

const GIVEN = {
  server: 'vc.example.com',
  user: 'me',
  password: 'correct horse',
  vm: 'moref=vm-16',
  thumbprint: SHA1,
  file: '[ds] vm/vm.vmdk',
  libdir: path.join(REPO, 'build/fault'),
};

type Given = Partial<Record<keyof typeof GIVEN | 'snapshot' | 'transports', string>>;

function setUp(dir: string, server: string): NodeJS.ProcessEnv {
  writeFileSync(path.join(dir, 'disk.img'), Buffer.alloc(1 << 20));
  writeFileSync(path.join(dir, 'password'), GIVEN.password, { mode: 0o600 });
  writeFileSync(
    path.join(dir, 'server'),
    `host=vc.example.com\nuser=me\npassword=${GIVEN.password}\nthumbprint=${SHA1}\n` +
      `vm=moref=vm-16\nsnapshot=snapshot-4\n[ds] vm/vm.vmdk=${dir}/disk.img\n${server}\n`,
  );
  return { FAULT_SERVER: path.join(dir, 'server') };
}

function argvOf(dir: string, given: Given): string[] {
  const all = { ...GIVEN, password: `+${dir}/password`, ...given };
  return Object.entries(all).map(([key, value]) => `${key}=${value}`);
}

t.test('a disk is served', async (t) => {
  const dir = shortDir(t);
  const env = setUp(dir, '');
  const run = ['--run', 'nbdcopy "$uri" - | wc -c'];
  const ended = await runServe(['-r', ...argvOf(dir, { snapshot: 'snapshot-4' }), ...run], { env });
  t.match(ended, SERVED);
  t.equal(ended.stdout.trim(), String(1 << 20));
});

const FAILURES: [name: string, given: Given, server: string, line: RegExp][] = [
  ['thumbprint', { thumbprint: BOGUS }, '', new RegExp(`${SHA1}.*openssl x509.*=${SHA1}\\.$`)],
  ['password', { user: 'you' }, '', /AUTHENTICATION_FAIL \(35\).*Check user= and password=/],
  ['host', { server: 'vd.example.com' }, '', /can not be resolved.*DNS/],
  ['vm', { vm: 'moref=16' }, '', /VM_NOT_FOUND.*on vCenter it is like moref=vm-16/],
  ['snapshot', { snapshot: 'snapshot-5' }, '', /SNAPSHOT_NOTFOUND.*Check snapshot=/],
  ['path', { file: '[ds] vm/vn.vmdk' }, '', /FILE_NOT_FOUND.*\[datastore\] directory\/name\.vmdk/],
  ['library', { libdir: '/usr/lib' }, '', /no libvixDiskLib/],
  ['port 902', {}, 'blocked=1', /port 902.*TCP port 902 of the ESXi host/],
  ['no snapshot', {}, 'running=1', /\(13\).*name it with snapshot=/],
  ['independent', {}, 'independent=1', /independent mode.*dependent mode/],
  ['maintenance', {}, 'maintenance=1', /maintenance mode.*leave maintenance mode/],
];

for (const [name, given, server, line] of FAILURES) {
  t.test(`a failing start: ${name}`, async (t) => {
    const dir = shortDir(t);
    const temporary = shortDir(t);
    const env = { ...setUp(dir, server), TMPDIR: temporary };
    const at = (file: string): string => path.join(dir, file);
    const out = ['-U', at('socket'), '-P', at('pid'), '--run', `touch ${at('ran')}`];
    const { exitCode, stderr, stdout } = await runServe([...argvOf(dir, given), ...out], { env });
    t.equal(exitCode, 1);
    t.equal(stdout, '');
    t.match(stderr, line);
    t.match(stderr, /^vddk-nbd: error: [^\n]*$/, 'one line');
    for (const file of ['socket', 'pid', 'ran']) t.notOk(existsSync(at(file)), file);
    t.same(readdirSync(temporary), []);
  });
}

t.test('the same for programs', async (t) => {
  const dir = shortDir(t);
  const env = setUp(dir, '');
  const { stderr } = await runServe(['--json', ...argvOf(dir, { thumbprint: BOGUS })], { env });
  t.match(JSON.parse(stderr), {
    level: 'error',
    code: 'VIX',
    call: 'VixDiskLib_Open',
    vixError: '1',
    vixErrorName: 'VIX_E_FAIL',
    diagnosis: 'thumbprint',
    cause: `the server's certificate has the thumbprint ${SHA1}`,
    remedy: /Compare it/,
  });
});

t.test('a crash while SAN devices are looked for', async (t) => {
  const dir = shortDir(t);
  const env = { ...setUp(dir, ''), FAULT: 'crash=segv at=Open' };
  const line = existsSync('/sys/class/scsi_disk') ? /-v/ : /add transports=nbdssl:nbd/;
  t.match(await runServe(argvOf(dir, {}), { env }), { exitCode: 1, stderr: line });
});
