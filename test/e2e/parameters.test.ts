// Every parameter, in a table: what reaches the library for it, and what bad values get.
// The library is the fault engine, which writes down what it is told; it is the server too.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { VddkNbdError } from '../../src/base/errors.js';
import { PARAMETER_KEYS, type ParameterKey } from '../../src/vddk/parameter-table.js';
import { parseParameters } from '../../src/vddk/parameters.js';
import { REPO, runServe, SERVED, shortDir } from '../lib/serve.js';

const FAULT = path.join(REPO, 'build/fault');
const SHA1 = 'B2:31:BD:DE:9F:DB:9D:E0:78:EF:30:42:8A:41:B0:28:92:93:C8:DD';

/** What the engine writes for a secret: length and FNV-1a hash. */
function hashed(secret: Buffer): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of secret) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return `${secret.length}:${hash.toString(16).padStart(16, '0')}`;
}

/** One server for each; DIR stands for the directory of the test. */
type Run = 'local' | 'remote' | 'cookie' | 'create' | 'refused';

interface Row {
  run: Run;
  value: string;
  /** A line of the record, or a pattern on stderr. */
  reaches: string | RegExp;
  bad: [value: string, message: RegExp][];
}

const PASSWORD = Buffer.from([0x20, 0x70, 0xff, 0xc3, 0x27, 0x22, 0x0a, 0x24, 0x20]);

const ROWS: Record<ParameterKey, Row> = {
  file: {
    run: 'remote',
    value: '[ds 1] vm/a=b.vmdk',
    reaches: 'Open.path=[ds 1] vm/a=b.vmdk',
    bad: [['', /file= is empty/]],
  },
  export: {
    run: 'refused',
    value: '\\[ds\\] *.vmdk',
    reaches: /export= is for disks on a server/,
    bad: [
      ['[ds', /not a pattern/],
      ['', /is empty/],
    ],
  },
  'single-link': {
    run: 'local',
    value: 'yes',
    reaches: 'Open.flags=7',
    bad: [['maybe', /neither true nor false/]],
  },
  unbuffered: {
    run: 'local',
    value: 'T',
    reaches: 'Open.flags=7',
    bad: [['2', /neither true nor false/]],
  },
  engine: {
    run: 'local',
    value: 'vddk',
    reaches: 'InitEx.version=6.5',
    bad: [['vdkd', /Did you mean engine=vddk/]],
  },
  libdir: { run: 'local', value: FAULT, reaches: `InitEx.libDir=${FAULT}`, bad: [['', /empty/]] },
  config: {
    run: 'local',
    value: 'DIR/vddk.conf',
    reaches: 'InitEx.configFile=DIR/vddk.conf',
    bad: [['', /empty/]],
  },
  server: {
    run: 'remote',
    value: 'vc.example.com',
    reaches: 'ConnectEx.serverName=vc.example.com',
    bad: [
      ['https://vc/', /only the name/],
      ['vc:443', /Write server=vc port=443/],
    ],
  },
  user: {
    run: 'remote',
    value: 'me@vsphere.local',
    reaches: 'ConnectEx.uid.userName=me@vsphere.local',
    bad: [['', /empty/]],
  },
  password: {
    run: 'remote',
    value: '+DIR/password',
    reaches: `ConnectEx.uid.password=${hashed(PASSWORD)}`,
    bad: [
      ['-x', /number of a file descriptor/],
      ['-1', /stdin, stdout or stderr/],
      ['+', /lacks a file name/],
    ],
  },
  cookie: {
    run: 'cookie',
    value: '+DIR/cookie',
    reaches: `ConnectEx.sessionId.cookie=${hashed(Buffer.from('session-cookie'))}`,
    bad: [['-0', /stdin, stdout or stderr/]],
  },
  thumbprint: {
    run: 'remote',
    value: SHA1.toLowerCase().replaceAll(':', '-'),
    reaches: `ConnectEx.thumbPrint=${SHA1}`,
    bad: [
      ['12', /pass thumbprint=00:00:/],
      [`${SHA1}:00`, /20 \(SHA-1\) or 32/],
      [SHA1.replace('B', 'G'), /not a thumbprint/],
    ],
  },
  vm: {
    run: 'remote',
    value: 'moref=vm-16',
    reaches: 'ConnectEx.vmxSpec=moref=vm-16',
    bad: [
      ['vm-16', /Write vm=moref=vm-16.*ESXi host/],
      ['moref=', /not moref=ID/],
    ],
  },
  snapshot: {
    run: 'remote',
    value: 'snapshot-47',
    reaches: 'ConnectEx.snapshot=snapshot-47',
    bad: [['my snapshot', /like snapshot-47/]],
  },
  transports: {
    run: 'remote',
    value: 'nbdssl:nbd',
    reaches: 'ConnectEx.transportModes=nbdssl:nbd',
    bad: [['nbd,nbdssl', /nbdssl:nbd/]],
  },
  compression: {
    run: 'remote',
    value: 'fastlz',
    reaches: 'Open.flags=36',
    bad: [['gzip', /Did you mean compression=zlib/]],
  },
  port: {
    run: 'remote',
    value: '0x1BC',
    reaches: 'ConnectEx.port=444',
    bad: [
      ['65536', /0 to 65535/],
      ['-1', /0 to 65535/],
    ],
  },
  nfchostport: {
    run: 'remote',
    value: '1902',
    reaches: 'ConnectEx.nfcHostPort=1902',
    bad: [['https', /0 to 65535/]],
  },
  create: {
    run: 'create',
    value: '1',
    reaches: 'Create.path=DIR/new.img',
    bad: [['x', /neither/]],
  },
  'create-size': {
    run: 'create',
    value: '3M',
    reaches: 'Create.capacity=6144',
    bad: [
      ['0', /can't have 0 bytes/],
      ['513', /multiple of 512/],
      ['1.5M', /not a size/],
      ['8E', /too large/],
    ],
  },
  'create-type': {
    run: 'create',
    value: 'vmfs-thin',
    reaches: 'Create.diskType=7',
    bad: [['thin', /Known are monolithic-sparse/]],
  },
  'create-adapter-type': {
    run: 'create',
    value: 'scsi-lsilogic',
    reaches: 'Create.adapterType=3',
    bad: [['lsilogic', /Did you mean create-adapter-type=scsi-lsilogic/]],
  },
  'create-hwversion': {
    run: 'create',
    value: 'esx65',
    reaches: 'Create.hwVersion=13',
    bad: [
      ['65536', /not a number from 0 to 65535/],
      ['esx-65', /Did you mean create-hwversion=esx65\? A number/],
    ],
  },
  vimapiver: { run: 'remote', value: '', reaches: 'ConnectEx.credType=1', bad: [] },
};

/** What goes with the rows of a run; keys in it are not taken from the table. */
const COMPANY: Record<Run, string[]> = {
  local: ['DIR/disk.img'],
  remote: [`libdir=${FAULT}`],
  cookie: ['server=vc.example.com', 'vm=moref=vm-16', `libdir=${FAULT}`, '[ds 1] vm/a=b.vmdk'],
  create: ['DIR/new.img', `libdir=${FAULT}`],
  refused: [],
};

function prepare(dir: string): void {
  writeFileSync(path.join(dir, 'disk.img'), Buffer.alloc(1 << 20));
  writeFileSync(path.join(dir, 'vddk.conf'), 'tmpDirectory=/tmp\n');
  writeFileSync(path.join(dir, 'password'), Buffer.concat([PASSWORD, Buffer.from('\n')]), {
    mode: 0o600,
  });
  writeFileSync(path.join(dir, 'cookie'), 'session-cookie', { mode: 0o600 });
  writeFileSync(
    path.join(dir, 'server'),
    `host=vc.example.com\ncookie=session-cookie\n[ds 1] vm/a=b.vmdk=${dir}/disk.img\n`,
  );
}

t.test('what reaches the library', async (t) => {
  t.same(Object.keys(ROWS).sort(), [...PARAMETER_KEYS].sort(), 'a row for each');
  for (const run of ['local', 'remote', 'cookie', 'create', 'refused'] as const) {
    const dir = shortDir(t);
    prepare(dir);
    const inDir = (text: string): string => text.replaceAll('DIR', dir);
    const rows = Object.entries(ROWS).filter(([, row]) => row.run === run);
    const argv = [...rows.map(([key, row]) => `${key}=${row.value}`), ...COMPANY[run]].map(inDir);
    const writable = run === 'create' ? [] : ['-r'];
    const ended = await runServe([...writable, ...argv, '-U', '-', '--run', 'nbdinfo "$uri"'], {
      env: { FAULT_RECORD: path.join(dir, 'record'), FAULT_SERVER: path.join(dir, 'server') },
    });
    if (run === 'refused') t.equal(ended.exitCode, 1);
    else t.match(ended, SERVED, run);
    const record = run === 'refused' ? '' : readFileSync(path.join(dir, 'record'), 'utf8');
    for (const [key, { reaches }] of rows) {
      if (typeof reaches !== 'string') t.match(ended.stderr, reaches, key);
      else t.ok(record.split('\n').includes(inDir(reaches)), `${key}: ${reaches} in ${record}`);
    }
  }
});

t.test('what bad values get', (t) => {
  const remote = ['server=vc', 'user=me', 'password=+x', 'vm=moref=2', 'file=[ds] a.vmdk'];
  for (const [key, { bad }] of Object.entries(ROWS)) {
    for (const [value, message] of bad) {
      const others = remote.filter((argument) => !argument.startsWith(`${key}=`));
      try {
        parseParameters([...others, `${key}=${value}`]);
        t.fail(`${key}=${value} is accepted`);
      } catch (error) {
        if (!(error instanceof VddkNbdError)) throw error;
        t.equal(error.code, 'USAGE');
        t.match(`${error.message}. ${error.hint ?? ''}`, message, `${key}=${value}`);
      }
    }
  }
  t.end();
});

t.test('libraries of several versions', async (t) => {
  const dir = shortDir(t);
  prepare(dir);
  const script = 'nbdinfo --json "$uri" && nbdcopy "$uri" "$uri"';
  for (const vintage of [51, 60, 65, 67, 70, 80, 90]) {
    const libdir = path.join(REPO, `build/fault-${vintage}`);
    const argv = [`libdir=${libdir}`, `${dir}/disk.img`, '-U', '-', '--run', script];
    const { exitCode, stderr, stdout } = await runServe(argv);
    t.equal(exitCode, 0, `${vintage}: ${stderr}`);
    const answer = JSON.parse(stdout) as { exports: { can_flush: boolean; can_fua: boolean }[] };
    t.equal(answer.exports[0]?.can_flush, vintage >= 60, 'Flush came with 6.0');
    t.equal(answer.exports[0]?.can_fua, vintage >= 60);
    t.equal(/has no VixDiskLib_/.test(stderr), vintage < 67, `${vintage} says what it lacks`);
  }
});
