// key=value arguments: nbdkit's names and rules, and what is refused with which help.
import t from 'tap';
import { VddkNbdError } from '../../src/base/errors.js';
import { PARAMETER_KEYS, parameterHelp } from '../../src/vddk/parameter-table.js';
import { type DiskParameters, parseParameters } from '../../src/vddk/parameters.js';
import { textOf } from '../../src/base/raw-text.js';
import { parseParamsFile } from '../../src/vddk/params-file.js';
import type { SecretSource } from '../../src/vddk/secrets.js';

function refusal(argv: string[]): string {
  try {
    parseParameters(argv);
  } catch (error) {
    if (error instanceof VddkNbdError)
      return `${error.code}: ${error.message}. ${error.hint ?? ''}`;
  }
  return 'accepted';
}

const parse = (...argv: string[]): DiskParameters<SecretSource> => parseParameters(argv).parameters;

const LOCAL = {
  file: '/vm/a.vmdk',
  exportPattern: undefined,
  engine: 'auto',
  libdir: undefined,
  config: undefined,
  remote: undefined,
  snapshot: undefined,
  transports: undefined,
  singleLink: false,
  unbuffered: false,
  compression: 0,
  create: undefined,
};
const SERVER = ['server=vc', 'user=me', 'password=+/f', 'vm=moref=vm-16'];

t.test('the file, by name and bare, anywhere', (t) => {
  t.same(parse('file=/vm/a.vmdk'), LOCAL);
  t.same(parse('/vm/a.vmdk'), LOCAL);
  t.same(parse('engine=builtin', '/vm/a.vmdk'), { ...LOCAL, engine: 'builtin' });
  t.equal(parse('/vm/a=b.vmdk').file, '/vm/a=b.vmdk', 'a path may hold a =');
  t.equal(parse('file=[ds] vm/a=b.vmdk').file, '[ds] vm/a=b.vmdk');
  t.equal(parse('[ds] vm/a.vmdk', ...SERVER).file, '[ds] vm/a.vmdk');
  t.equal(parseParameters([], { filesElsewhere: true }).parameters.file, undefined);
  t.end();
});

t.test('a disk on a server', (t) => {
  const remote = {
    server: 'vc',
    vm: 'moref=vm-16',
    user: 'me',
    password: { kind: 'file', path: '/f' },
    cookie: undefined,
    thumbprint: undefined,
    port: 0,
    nfcHostPort: 0,
  };
  t.same(parse('/a', ...SERVER).remote, remote);
  const byCookie = parse('/a', 'server=vc', 'vm=moref=2', 'cookie=-3').remote;
  t.match(byCookie, { cookie: { kind: 'fd', fd: 3 }, user: undefined, password: undefined });
  t.match(refusal(['/a', 'user=me']), /^USAGE: a disk on a server also needs server=, vm=, pass/);
  t.match(refusal(['/a', 'port=443']), /Give it, or leave out port= for a local disk/);
  t.match(refusal(['/a', 'server=vc', 'cookie=x']), /also needs vm=\./);
  t.match(refusal([...SERVER]), /no disk is given.*\[datastore\]/);
  t.match(refusal(['/a', 'engine=builtin', ...SERVER]), /engine=builtin has local disks only/);
  t.end();
});

t.test('bytes that are no UTF-8', (t) => {
  const bytes = Buffer.from('a\xffb', 'latin1');
  const raw = (prefix: string): string => textOf(Buffer.concat([Buffer.from(prefix), bytes]));
  const server = ['/a', 'server=vc', 'vm=moref=2'];
  const { password } = parse(...server, 'user=me', raw('password=')).remote ?? {};
  const { cookie } = parse(...server, raw('cookie=')).remote ?? {};
  for (const secret of [password, cookie]) t.same(secret, { kind: 'literal', bytes });
  for (const prefix of ['/vm/', 'file=', 'libdir=', 'user=', 'password=+', 'cookie=+']) {
    t.match(refusal([raw(prefix)]), /^USAGE: .* is not UTF-8\. .*symbolic link/, prefix);
  }
  t.end();
});

t.test('parameters that exclude or need each other', (t) => {
  t.match(refusal([]), /^USAGE: no disk is given\. .*file=/);
  t.match(refusal(['/a', 'export=*', ...SERVER]), /file= and export= exclude each other/);
  t.match(refusal(['export=*']), /export= is for disks on a server/);
  t.match(refusal(['/a', 'create=1']), /needs the size.*create-size=10G/);
  t.match(refusal(['/a', 'create-type=split-flat']), /create-type= has no effect/);
  t.equal(refusal(['/a', 'create=no', 'create-type=split-flat']), 'accepted');
  t.match(
    refusal(['/a', 'create=1', 'create-size=1M', ...SERVER]),
    /create=true is for local disks/,
  );
  t.same(parse('/a', 'create=1', 'create-size=1M').create, {
    diskType: 1,
    adapterType: 2,
    hwVersion: 4,
    capacitySectors: 2048,
  });
  t.end();
});

t.test('a parameter without its =', (t) => {
  t.match(refusal(['/a', 'user', 'me']), /^USAGE: user lacks its =\. Write user=NAME, without/);
  t.match(refusal(['/a', 'Single-Link: yes']), /single-link lacks its =/);
  t.equal(refusal(['/user']), 'accepted');
  t.equal(parse('[user] a.vmdk', ...SERVER).file, '[user] a.vmdk');
  t.end();
});

t.test('a secret behind a blank', (t) => {
  const server = ['server=vc', 'vm=moref=2', 'user=me'];
  for (const key of ['password', 'cookie']) {
    for (const cut of ['horse', '/horse', '[horse]', 'horse=battery', '-']) {
      const said = refusal([...server, `${key}=`, cut]);
      t.match(said, new RegExp(`^USAGE: ${key}= is empty, .* Write ${key}=\\+FILE or ${key}=-FD`));
      t.notMatch(said, /horse|battery/);
    }
  }
  const empty = parse('[ds] a.vmdk', 'server=vc', 'vm=moref=2', 'password=', 'user=me');
  t.same(empty.remote?.password, { kind: 'literal', bytes: Buffer.alloc(0) });
  t.equal(parse(...server, 'password=', 'file=[ds] a.vmdk').file, '[ds] a.vmdk');
  t.equal(parse(...server, 'password=+/f', '[ds] a.vmdk').file, '[ds] a.vmdk');
  t.match(refusal([...server, 'vm=', 'horse']), /vm= is given twice/, 'others are no secrets');
  t.end();
});

t.test('what is unknown or doubled', (t) => {
  t.match(refusal(['fiel=/a.vmdk']), /unknown parameter 'fiel'\. Did you mean file=\?/);
  t.match(refusal(['/a', 'libdri=/x']), /unknown parameter 'libdri'\. Did you mean libdir=\?/);
  t.match(refusal(['/a', 'enigne=vddk']), /Did you mean engine=\?/);
  t.match(refusal(['/a', 'Create_Size=1']), /Did you mean create-size=\?/);
  t.match(refusal(['/a', '/b']), /file= is given twice/);
  t.match(refusal(['/a', 'file=/b']), /file= is given twice/);
  const doubled = refusal(['/a', 'password=first', 'password=second']);
  t.match(doubled, /password= is given twice/);
  t.notMatch(doubled, /first|second/, 'no secret in a message');
  t.end();
});

t.test('what is no error, but hardly meant', (t) => {
  const warnings = (...argv: string[]): string =>
    parseParameters(['/a', ...SERVER, ...argv]).warnings.join('|');
  t.equal(warnings('transports=nbdssl:nbd', 'snapshot=snapshot-4'), '');
  t.match(warnings('transports=nbdsll'), /not known to have 'nbdsll'; did you mean nbdssl/);
  t.match(warnings('snapshot=2-snapshot-1'), /vm=moref=vm-16 looks like vCenter, .*an ESXi host/);
  t.end();
});

t.test('help lists them all', (t) => {
  for (const key of PARAMETER_KEYS) t.match(parameterHelp(), new RegExp(`^${key}=.*: .`, 'm'));
  t.end();
});

t.test('a file of parameters', (t) => {
  const text = '# a comment\n\n  libdir=/opt/vddk\r\nuser=me # or you\npassword= x \n';
  t.same(parseParamsFile(text, 'f'), ['libdir=/opt/vddk', 'user=me # or you', 'password= x ']);
  t.throws(() => parseParamsFile('a=b\nsecret words', 'f'), {
    message: 'line 2 of f is not key=value',
  });
  t.end();
});
