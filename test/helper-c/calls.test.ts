// The CALLs of the real helper: what each answers, with every vintage of library, and each refusal.
import { realpathSync } from 'node:fs';
import t from 'tap';
import { ARENA_BYTES, Driver, LIBRARIES } from './driver.js';

/** What the fake library prints of a secret. */
function fnv(text: string): string {
  let hash = 2166136261;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 16777619) >>> 0;
  return hash.toString(16).padStart(8, '0');
}

t.test('the whole life', async (t) => {
  const helper = new Driver(t);
  const hello = await helper.hello(['/nowhere/libvixDiskLib.so.9', LIBRARIES.full]);
  t.equal(hello.vixError, 0);
  t.match(hello.fields, {
    version: 1,
    library: realpathSync(LIBRARIES.full),
    libraryVersion: 8,
    transportModes: 'file:nbdssl',
  });
  const functions = hello.fields['functions'] as string[];
  t.ok(functions.includes('ReadAsync') && functions.includes('QueryAllocatedBlocks'));
  t.notOk(functions.includes('Create'), 'only what is there is listed');
  t.same(await helper.call('CONNECT', { readOnly: true }), { vixError: 0, fields: {} });
  t.same(await helper.call('OPEN', { path: '/ä.vmdk', flags: 4 }), {
    vixError: 0,
    fields: { transportMode: 'file' },
  });
  t.same((await helper.call('INFO')).fields, {
    capacitySectors: 65536,
    logicalSectorBytes: 512,
    physicalSectorBytes: 4096,
    adapterType: 3,
    numLinks: 1,
    uuid: '60 00 C2 9a',
    parentFileNameHint: null,
  });
  const ping = (await helper.call('PING')).fields;
  t.same(ping, { inCallMs: 0, call: '', oldestIoMs: 0, oldestIo: 0 });
  t.same((await helper.call('CLOSE')).fields, {});
  t.equal((await helper.call('CONNECT', { readOnly: false })).vixError, 0, 'CONNECT again');
  t.equal((await helper.call('CLOSE')).vixError, 0, 'CLOSE without OPEN');
  helper.end();
  t.same(await helper.ended, { code: 0, signal: null });
  t.match(helper.logs, [
    { level: 'debug', text: 'fake: InitEx libdir=/fake config=none', dropped: 0 },
    { level: 'warning', text: 'fake: a warning', dropped: 0 },
  ]);
  t.ok(helper.logs.some(({ text }) => text === 'fake: Open path=/ä.vmdk flags=4'));
  t.equal(helper.stderr, '');
});

t.test('allocated blocks', async (t) => {
  const helper = new Driver(t);
  await helper.open();
  helper.fill(0, Buffer.alloc(512, 1));
  t.same(
    await helper.io(['WRITE', 130, 1, 0], ['WRITE', 260, 1, 0], ['WRITE', 1279, 1, 0]),
    [0, 0, 0],
  );
  const query = { startSector: 0, nrSectors: 1280, chunkSectors: 128 };
  t.same(await helper.call('ALLOCATED_BLOCKS', query), {
    vixError: 0,
    fields: { blocks: [128, 256, 1152, 128] },
  });
  t.same(
    await helper.call('ALLOCATED_BLOCKS', { ...query, startSector: 1 }),
    {
      vixError: 3,
      fields: { call: 'VixDiskLib_QueryAllocatedBlocks', text: 'fake text of 3' },
    },
    'the error of the library',
  );
});

t.test('a list of runs as large as it gets', async (t) => {
  // 64 GiB of address space would be needed for 262,144 runs: a fake disk of 2 GiB has 16,384.
  const sectors = 4 * 1024 * 1024;
  const helper = new Driver(t, { env: { FAKE_SECTORS: String(sectors) } });
  await helper.open();
  helper.fill(0, Buffer.alloc(512, 1));
  const chunks = sectors / 128;
  for (let first = 0; first < chunks; first += 2000) {
    const requests = Array.from(
      { length: Math.min(1000, (chunks - first) / 2) },
      (_, i) => ['WRITE', (first + 2 * i) * 128, 1, 0] as ['WRITE', number, number, number],
    );
    await helper.io(...requests);
  }
  const query = { startSector: 0, nrSectors: sectors, chunkSectors: 128 };
  const { fields } = await helper.call('ALLOCATED_BLOCKS', query);
  const blocks = fields['blocks'] as number[];
  t.equal(blocks.length, chunks);
  t.ok(blocks.every((value, i) => value === (i % 2 === 0 ? (i / 2) * 256 : 128)));
});

t.test('old libraries still work', async (t) => {
  for (const [name, version] of [
    ['bare6', 6],
    ['sync5', 5],
    ['noWait', 7],
  ] as const) {
    await t.test(name, async (t) => {
      const helper = new Driver(t);
      const hello = await helper.hello([LIBRARIES[name]]);
      t.equal(hello.fields['libraryVersion'], version);
      await helper.call('CONNECT', { readOnly: false });
      await helper.call('OPEN', { path: '/disk.vmdk', flags: 0 });
      const info = await helper.call('INFO');
      t.equal(info.fields['physicalSectorBytes'], version >= 7 ? 4096 : 0);
      helper.fill(4096, Buffer.alloc(1024, 7));
      t.same(await helper.io(['WRITE', 9, 2, 4096]), [0]);
      t.same(await helper.io(['READ', 10, 1, 512]), [0]);
      t.same(helper.read(512, 512), Buffer.alloc(512, 7));
      t.same(await helper.io(['FLUSH', 0, 0, 0]), [name === 'sync5' ? 6 : 0]);
      const query = { startSector: 0, nrSectors: 128, chunkSectors: 128 };
      const blocks = await helper.call('ALLOCATED_BLOCKS', query);
      t.equal(blocks.vixError, name === 'noWait' ? 0 : 6);
      t.equal((await helper.call('CLOSE')).vixError, 0);
      helper.end();
      t.equal((await helper.ended).code, 0);
    });
  }
});

t.test('connection parameters reach the library', async (t) => {
  const helper = new Driver(t);
  await helper.hello();
  const remote = {
    readOnly: true,
    vmxSpec: 'moref=vm-16',
    serverName: 'vcenter',
    userName: 'root',
    thumbPrint: '11:22',
    password: Buffer.from('pässword'),
    port: 444,
    nfcHostPort: 903,
    snapshot: 'snapshot-1',
    transportModes: 'nbdssl:nbd',
  };
  t.equal((await helper.call('CONNECT', remote)).vixError, 0);
  t.equal(
    (await helper.logged(/ConnectEx/)).text,
    `fake: ConnectEx vmx=moref=vm-16 server=vcenter thumb=11:22 cred=1 user=root ` +
      `secret=${fnv('pässword')} cookie=00000000 port=444 nfc=903 spec=0 ro=1 ` +
      `snapshot=snapshot-1 modes=nbdssl:nbd`,
  );
  t.equal((await helper.call('CLOSE')).vixError, 0, 'the strings live until Disconnect');
  const cookie = {
    readOnly: false,
    vmxSpec: 'moref=2',
    serverName: 'esx',
    cookie: Buffer.from('soap'),
    password: null,
  };
  helper.logs.length = 0;
  t.equal((await helper.call('CONNECT', cookie)).vixError, 0);
  t.equal(
    (await helper.logged(/ConnectEx/)).text,
    `fake: ConnectEx vmx=moref=2 server=esx thumb=none cred=2 user= ` +
      `secret=${fnv('')} cookie=${fnv('soap')} port=0 nfc=0 spec=0 ro=0 snapshot=none modes=none`,
  );
});

t.test('InitEx gets libdir and config', async (t) => {
  const helper = new Driver(t);
  await helper.hello([LIBRARIES.full], { libdir: '/a b', config: '/etc/c' });
  t.ok(await helper.logged(/^fake: InitEx libdir=\/a b config=\/etc\/c$/));
});

t.test('no library can be loaded', async (t) => {
  const helper = new Driver(t);
  const text = t.testdir({ 'libvixDiskLib.so.7': 'not a library' });
  const result = await helper.hello(['/nowhere/libvixDiskLib.so.9', `${text}/libvixDiskLib.so.7`]);
  t.equal(result.vixError, 1);
  t.match(result.fields, { call: 'dlopen', helperError: 'load' });
  const lines = String(result.fields['text']).split('\n');
  t.equal(lines.length, 2, 'one line per candidate');
  t.match(lines[0], /^\/nowhere\/libvixDiskLib\.so\.9: cannot open shared object file/);
  t.match(lines[1], /libvixDiskLib\.so\.7: (file too short|invalid ELF header)/);
  const again = await helper.hello();
  t.match(again.fields, { helperError: 'state' }, 'HELLO comes once');
  helper.end();
  t.equal((await helper.ended).code, 0);
});

t.test('a mandatory function is missing', async (t) => {
  const noOpen = await new Driver(t).hello([LIBRARIES.noOpen]);
  t.match(noOpen.fields, { helperError: 'symbol', text: 'missing function VixDiskLib_Open' });
  await t.test('no way to write', async (t) => {
    const noWrite = await new Driver(t).hello([LIBRARIES.noWrite]);
    t.match(noWrite.fields, { helperError: 'symbol', text: /VixDiskLib_WriteAsync/ });
  });
});

t.test('parameters', async (t) => {
  const bad: [string, object, RegExp][] = [
    ['another version', { version: 2 }, /host speaks version 2 .* this helper version 1/],
    ['version as text', { version: '1' }, /parameter version is not valid/],
    ['no libraries', { libraries: null }, /parameter libraries is missing/],
    ['libraries of numbers', { libraries: [1] }, /parameter libraries is not valid/],
    ['no libdir', { libdir: null }, /parameter libdir is missing/],
    ['config as bytes', { config: Buffer.from('x') }, /parameter config is not valid/],
    ['a NUL byte', { libdir: '/a\0b' }, /parameter libdir is not valid/],
  ];
  for (const [name, params, text] of bad) {
    await t.test(name, async (t) => {
      const result = await new Driver(t).hello([LIBRARIES.full], params);
      t.match(result.fields, { helperError: 'parameter', text });
      t.equal(result.vixError, 1);
    });
  }
  await t.test('of CONNECT, OPEN and ALLOCATED_BLOCKS', async (t) => {
    const helper = new Driver(t);
    await helper.hello();
    const isBad = async (op: 'CONNECT' | 'OPEN' | 'ALLOCATED_BLOCKS', params: object) => {
      const result = await helper.call(op, params);
      t.match(
        result.fields,
        { helperError: 'parameter' },
        `${op} with ${Object.keys(params).join()}`,
      );
    };
    await isBad('CONNECT', {});
    await isBad('CONNECT', { readOnly: 1 });
    await isBad('CONNECT', { readOnly: true, port: 65536 });
    await isBad('CONNECT', { readOnly: true, password: 'text' });
    await isBad('CONNECT', { readOnly: true, serverName: 'only this' });
    await isBad('CONNECT', { readOnly: true, serverName: 's', vmxSpec: 'v', userName: 'u' });
    await helper.call('CONNECT', { readOnly: true });
    await isBad('OPEN', { flags: 0 });
    await isBad('OPEN', { path: '/a', flags: 2n ** 32n });
    await isBad('OPEN', { path: '/a' });
    await isBad('OPEN', { path: 7, flags: 0 });
    await helper.call('OPEN', { path: '/a', flags: 0 });
    await isBad('ALLOCATED_BLOCKS', { startSector: 0, nrSectors: 128 });
    t.equal((await helper.call('CLOSE')).vixError, 0, 'and it still works');
  });
});

t.test('operations out of order', async (t) => {
  const helper = new Driver(t);
  const isEarly = async (
    ...ops: ('CONNECT' | 'OPEN' | 'INFO' | 'CLOSE' | 'ALLOCATED_BLOCKS')[]
  ) => {
    for (const op of ops) {
      const result = await helper.call(op, { readOnly: true, path: '/a', flags: 0 });
      t.match(result, { vixError: 1, fields: { helperError: 'state', text: RegExp(op) } }, op);
    }
  };
  await isEarly('CONNECT', 'OPEN', 'INFO', 'CLOSE', 'ALLOCATED_BLOCKS');
  await helper.hello();
  await isEarly('OPEN', 'INFO', 'CLOSE', 'ALLOCATED_BLOCKS');
  await helper.call('CONNECT', { readOnly: true });
  await isEarly('CONNECT', 'INFO', 'ALLOCATED_BLOCKS');
  await helper.call('OPEN', { path: '/a', flags: 0 });
  await isEarly('CONNECT', 'OPEN');
});

t.test('arenas', async (t) => {
  for (const [name, more] of [
    ['too short', { readArenaBytes: ARENA_BYTES + 1 }],
    ['empty', { writeArenaBytes: 0 }],
    ['enormous', { writeArenaBytes: 2n ** 62n }],
  ] as const) {
    await t.test(name, async (t) => {
      const result = await new Driver(t).hello([LIBRARIES.full], more);
      t.match(result.fields, { helperError: 'arena', call: 'mmap' });
    });
  }
});

t.test('errors of the library', async (t) => {
  const cases: [script: string, op: 'CONNECT' | 'OPEN' | 'INFO' | 'CLOSE', call: string][] = [
    ['ConnectEx', 'CONNECT', 'VixDiskLib_ConnectEx'],
    ['Open', 'OPEN', 'VixDiskLib_Open'],
    ['GetInfo', 'INFO', 'VixDiskLib_GetInfo'],
    ['Close', 'CLOSE', 'VixDiskLib_Close'],
    ['Disconnect', 'CLOSE', 'VixDiskLib_Disconnect'],
  ];
  for (const [script, op, call] of cases) {
    await t.test(script, async (t) => {
      const helper = new Driver(t, { env: { FAKE_AT: `${script}:fail:0x50000000d` } });
      await helper.hello();
      for (const [next, params] of [
        ['CONNECT', { readOnly: true }],
        ['OPEN', { path: '/a', flags: 0 }],
        ['INFO', {}],
        ['CLOSE', {}],
      ] as const) {
        const result = await helper.call(next, params);
        if (next !== op) continue;
        t.equal(result.vixError, 0x50000000d, 'all 64 bits');
        t.same(result.fields, { call, text: 'fake text of 21474836493' });
        break;
      }
      helper.end();
      t.equal((await helper.ended).code, 0);
    });
  }
  await t.test('InitEx', async (t) => {
    const helper = new Driver(t, { env: { FAKE_AT: 'InitEx:fail:13' } });
    const result = await helper.hello();
    t.equal(result.vixError, 13);
    t.match(result.fields, { call: 'VixDiskLib_InitEx' });
  });
});
