// The handshake state machine: each option as proto.md has it, and any bytes in any cuts.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { NBD_STRING_BYTES_MAX, OPTION_BYTES_MAX, OPTIONS_MAX } from '../../src/base/limits.js';
import type { Found, NbdExport, NbdExports } from '../../src/nbd/export.js';
import type { TlsPolicy } from '../../src/nbd/haggling.js';
import { Handshake } from '../../src/nbd/handshake.js';
import { contextBytes } from '../lib/chunk-client.js';
import { infoBytes, optionBytes } from '../lib/nbd-client.js';

const disk: NbdExport = {
  name: '',
  description: 'ein Gerät',
  sizeBytes: 3 * 2 ** 40 + 5,
  transmissionFlags: 0x10d,
  minimumBlockBytes: 1,
  preferredBlockBytes: 65536,
  payloadBytesMax: 1 << 25,
};
const exports: NbdExports<NbdExport> = {
  list: () => [disk, { ...disk, name: 'zwei', description: '' }],
  lookup: (name) => (name === 'none' ? 'no such export' : disk),
};

const FLAGS = Buffer.from([0, 0, 0, 3]);
const [EXPORT_NAME, ABORT, LIST, STARTTLS, INFO, GO] = [1, 2, 3, 5, 6, 7];
const [ACK, SERVER, REP_INFO] = [1, 2, 3];
const [UNSUP, POLICY, INVALID, TLS_REQD, UNKNOWN, SHUTDOWN, TOO_BIG] = [1, 2, 3, 5, 6, 7, 9].map(
  (n) => 0x80000000 + n,
);

/** A handshake that has had its greeting taken, and been fed `bytes`. */
function fed(...bytes: Buffer[]): Handshake<NbdExport> {
  const handshake = new Handshake(exports);
  handshake.takeOutput();
  handshake.receive(Buffer.concat(bytes));
  return handshake;
}

interface Reply {
  option: number;
  type: number;
  data: Buffer;
}

/** Output cut into option replies. */
function replies(output: Buffer): Reply[] {
  const found: Reply[] = [];
  for (let at = 0; at < output.length;) {
    t.equal(output.readBigUInt64BE(at), 0x3e889045565a9n, 'reply magic');
    const length = output.readUInt32BE(at + 16);
    found.push({
      option: output.readUInt32BE(at + 8),
      type: output.readUInt32BE(at + 12),
      data: output.subarray(at + 20, at + 20 + length),
    });
    at += 20 + length;
  }
  return found;
}

function answer(...bytes: Buffer[]): Reply[] {
  return replies(fed(FLAGS, ...bytes).takeOutput());
}

t.test('greeting', (t) => {
  const greeting = new Handshake(exports).takeOutput();
  t.equal(greeting.toString('latin1'), 'NBDMAGICIHAVEOPT\0\x03');
  t.end();
});

t.test('client flags', (t) => {
  for (const flags of [4, 0x80000000, 0xffffffff]) {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(flags);
    const handshake = fed(bytes);
    t.equal(handshake.stage, 'closed', `0x${flags.toString(16)}`);
    t.match(handshake.reason, /unknown client flags/);
  }
  t.equal(fed(Buffer.alloc(4)).stage, 'option-header', 'none is fine');
  t.equal(fed(Buffer.alloc(4), optionBytes(LIST)).stage, 'closed', 'but then no other options');
  t.equal(fed(Buffer.alloc(4), optionBytes(EXPORT_NAME)).stage, 'transmission');
  t.end();
});

t.test('NBD_OPT_EXPORT_NAME', (t) => {
  for (const [flags, zeroes] of [
    [1, 124],
    [3, 0],
  ] as const) {
    const handshake = fed(Buffer.from([0, 0, 0, flags]), optionBytes(EXPORT_NAME));
    const output = handshake.takeOutput();
    t.equal(output.length, 10 + zeroes);
    t.equal(output.readBigUInt64BE(0), BigInt(disk.sizeBytes));
    t.equal(output.readUInt16BE(8), disk.transmissionFlags);
    t.ok(output.subarray(10).every((byte) => byte === 0));
    t.equal(handshake.stage, 'transmission');
    t.equal(handshake.agreement?.target, disk);
  }
  for (const name of [Buffer.from('none'), Buffer.from([0xff]), Buffer.from('a\0b')]) {
    const handshake = fed(FLAGS, optionBytes(EXPORT_NAME, name));
    t.equal(handshake.stage, 'closed', 'an unknown name can only be closed');
    t.equal(handshake.takeOutput().length, 0);
  }
  const long = optionBytes(EXPORT_NAME, Buffer.alloc(OPTION_BYTES_MAX + 1, 'a'));
  t.equal(fed(FLAGS, long).stage, 'closed');
  t.end();
});

t.test('NBD_OPT_ABORT', (t) => {
  const handshake = fed(FLAGS, optionBytes(ABORT, Buffer.from('ignored')));
  t.match(replies(handshake.takeOutput()), [{ option: ABORT, type: ACK }]);
  t.equal(handshake.stage, 'closed');
  t.equal(handshake.reason, '');
  t.end();
});

t.test('NBD_OPT_LIST', (t) => {
  const [first, second, last] = answer(optionBytes(LIST));
  t.match(first, { type: SERVER, data: Buffer.from('\0\0\0\0ein Gerät') });
  t.match(second, { type: SERVER, data: Buffer.from('\0\0\0\x04zwei') });
  t.match(last, { type: ACK });
  t.match(answer(optionBytes(LIST, Buffer.from('x'))), [{ type: INVALID }]);
  t.end();
});

t.test('NBD_OPT_INFO and NBD_OPT_GO', (t) => {
  for (const option of [INFO, GO]) {
    const asked = [1, 2, 2, 3, 999];
    const handshake = fed(FLAGS, optionBytes(option, infoBytes('x', asked)));
    const found = replies(handshake.takeOutput());
    t.same(
      found.map(({ type }) => type),
      [REP_INFO, REP_INFO, REP_INFO, REP_INFO, ACK],
    );
    const infos = new Map(found.slice(0, -1).map(({ data }) => [data.readUInt16BE(), data]));
    t.equal(infos.get(0)?.length, 12);
    t.equal(infos.get(0)?.readBigUInt64BE(2), BigInt(disk.sizeBytes));
    t.equal(infos.get(0)?.readUInt16BE(10), disk.transmissionFlags);
    t.equal(infos.get(1)?.subarray(2).toString(), '');
    t.equal(infos.get(2)?.subarray(2).toString(), disk.description);
    t.same(infos.get(3)?.subarray(2), Buffer.from('000000010001000002000000', 'hex'));
    t.equal(handshake.stage, option === GO ? 'transmission' : 'option-header');
  }
  t.match(answer(optionBytes(GO, infoBytes('none'))), [{ option: GO, type: UNKNOWN }]);
  const [info, blockSize, last] = answer(optionBytes(INFO, infoBytes('')));
  t.same([info?.data.readUInt16BE(), blockSize?.data.readUInt16BE(), last?.type], [0, 3, ACK]);
  t.end();
});

t.test('malformed NBD_OPT_INFO and NBD_OPT_GO', (t) => {
  const good = infoBytes('abc', [3]);
  const hugeName = Buffer.from(good);
  hugeName.writeUInt32BE(0xffffffff);
  const longName = infoBytes('a'.repeat(NBD_STRING_BYTES_MAX + 1));
  const bad = [
    Buffer.alloc(0),
    Buffer.alloc(5),
    good.subarray(0, -1),
    Buffer.concat([good, Buffer.from([0])]),
    hugeName,
    longName,
    infoBytes('a\0b'),
  ];
  for (const data of bad) t.match(answer(optionBytes(GO, data)), [{ option: GO, type: INVALID }]);
  t.match(answer(optionBytes(GO, infoBytes('a'.repeat(NBD_STRING_BYTES_MAX)))).at(-1), {
    type: ACK,
  });
  t.end();
});

t.test('what is not supported', (t) => {
  for (const option of [0, 4, 12, 12345, 0xffffffff]) {
    const handshake = fed(FLAGS, optionBytes(option, Buffer.from('data')));
    t.match(replies(handshake.takeOutput()), [{ option, type: UNSUP }]);
    t.equal(handshake.stage, 'option-header', 'and the next option is read');
  }
  t.end();
});

t.test('NBD_OPT_STARTTLS', (t) => {
  const having = (mode: TlsPolicy['mode'], ...bytes: Buffer[]): Handshake<NbdExport> => {
    const handshake = new Handshake(exports, { mode, isSecure: false });
    handshake.takeOutput();
    handshake.receive(Buffer.concat([FLAGS, ...bytes]));
    return handshake;
  };
  const start = optionBytes(STARTTLS);
  t.match(replies(having('off', start).takeOutput()), [{ option: STARTTLS, type: POLICY }]);
  for (const mode of ['on', 'require'] as const) {
    const wrong = having(mode, optionBytes(STARTTLS, Buffer.from('x')));
    t.match(replies(wrong.takeOutput()), [{ option: STARTTLS, type: INVALID }]);
    const handshake = having(mode, start);
    t.match(replies(handshake.takeOutput()), [{ option: STARTTLS, type: ACK }]);
    t.equal(handshake.stage, 'upgrade');
    t.equal(handshake.receive(start), 0, 'nothing is taken before TLS has begun');
    handshake.secured();
    handshake.receive(Buffer.concat([start, optionBytes(GO, infoBytes(''))]));
    t.match(replies(handshake.takeOutput())[0], { option: STARTTLS, type: INVALID }, 'only once');
    t.equal(handshake.stage, 'transmission');
  }
  t.equal(having('on', optionBytes(GO, infoBytes(''))).stage, 'transmission', 'or without');
  t.throws(() => {
    having('on').secured();
  });
  t.end();
});

t.test('where TLS is required, nothing is said before it', (t) => {
  const fresh = (): Handshake<NbdExport> => {
    const handshake = new Handshake(exports, { mode: 'require', isSecure: false });
    handshake.takeOutput();
    handshake.receive(FLAGS);
    return handshake;
  };
  const long = Buffer.alloc(OPTION_BYTES_MAX + 1);
  for (const option of [LIST, INFO, GO, 8, 9, 10, 11, 4711]) {
    for (const data of [Buffer.alloc(0), infoBytes('none'), infoBytes(''), long]) {
      const handshake = fresh();
      handshake.receive(optionBytes(option, data));
      t.match(replies(handshake.takeOutput()), [{ option, type: TLS_REQD }]);
    }
  }
  const late = fresh();
  late.shutDown();
  late.receive(optionBytes(LIST));
  t.match(replies(late.takeOutput()), [{ type: TLS_REQD }]);
  late.receive(optionBytes(ABORT));
  t.match(replies(late.takeOutput()), [{ option: ABORT, type: ACK }]);
  const named = fresh();
  named.receive(optionBytes(EXPORT_NAME));
  t.match(named, { stage: 'closed', reason: /TLS/ });
  t.equal(named.takeOutput().length, 0);
  const secure = new Handshake(exports, { mode: 'require', isSecure: true });
  secure.receive(Buffer.concat([FLAGS, optionBytes(GO, infoBytes(''))]));
  t.equal(secure.stage, 'transmission');
  t.end();
});

t.test('limits', (t) => {
  const long = optionBytes(INFO, Buffer.alloc(OPTION_BYTES_MAX + 1));
  const found = answer(long, optionBytes(LIST));
  t.match(found[0], { option: INFO, type: TOO_BIG }, 'too long: passed over');
  t.match(found.at(-1), { option: LIST, type: ACK }, 'and the next option is read');
  const many = Array.from({ length: OPTIONS_MAX + 1 }, () => optionBytes(8));
  t.equal(fed(FLAGS, ...many).stage, 'closed');
  t.equal(fed(FLAGS, ...many.slice(1)).stage, 'option-header');
  const magic = optionBytes(LIST);
  magic[7] = 0;
  t.match(fed(FLAGS, magic), { stage: 'closed', reason: 'bad option magic' });
  t.end();
});

t.test('shutting down', (t) => {
  const handshake = fed(FLAGS);
  handshake.shutDown();
  handshake.receive(optionBytes(GO, infoBytes('')));
  t.match(replies(handshake.takeOutput()), [{ option: GO, type: SHUTDOWN }]);
  handshake.receive(optionBytes(ABORT));
  t.match(replies(handshake.takeOutput()), [{ option: ABORT, type: ACK }]);
  const other = fed(FLAGS);
  other.shutDown();
  other.receive(optionBytes(EXPORT_NAME));
  t.equal(other.stage, 'closed');
  t.end();
});

t.test('bytes after the handshake are not taken', (t) => {
  const handshake = new Handshake(exports);
  const before = Buffer.concat([FLAGS, optionBytes(GO, infoBytes(''))]);
  t.equal(handshake.receive(Buffer.concat([before, Buffer.alloc(100)])), before.length);
  t.equal(handshake.receive(Buffer.alloc(1)), 0);
  t.end();
});

const anyOption = fc
  .tuple(
    fc.oneof(fc.constantFrom(1, 2, 3, 5, 6, 7, 8, 9, 10, 11), fc.nat()),
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      fc.constant(Buffer.alloc(0)),
      fc.tuple(fc.string(), fc.array(fc.nat({ max: 5 }))).map(([n, asked]) => infoBytes(n, asked)),
      fc.array(fc.constantFrom('base:', 'base:allocation', 'x-y:z', '')).map((queries) => {
        return contextBytes('', queries);
      }),
      fc
        .integer({ min: OPTION_BYTES_MAX - 1, max: OPTION_BYTES_MAX + 2 })
        .map((n) => Buffer.alloc(n)),
    ),
  )
  .map(([option, data]) => optionBytes(option, data));

t.test('any cuts of any bytes give the same', (t) => {
  const anyBytes = fc.oneof(
    fc.array(anyOption, { maxLength: 6 }).map((all) => Buffer.concat([FLAGS, ...all])),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  );
  const anyPolicy = fc.record({
    mode: fc.constantFrom('off' as const, 'on' as const, 'require' as const),
    isSecure: fc.boolean(),
  });
  fc.assert(
    fc.property(anyBytes, anyPolicy, fc.array(fc.nat({ max: 100 })), (bytes, policy, cuts) => {
      const whole = new Handshake(exports, policy);
      const taken = whole.receive(bytes);
      const cut = new Handshake(exports, policy);
      const output: Buffer[] = [];
      let at = 0;
      for (const length of [...cuts, bytes.length]) {
        const part = bytes.subarray(at, at + length);
        const used = cut.receive(part);
        output.push(cut.takeOutput());
        at += used;
        if (used < part.length) break;
      }
      return (
        at === taken &&
        cut.stage === whole.stage &&
        cut.reason === whole.reason &&
        isDeepStrictEqual(cut.agreement, whole.agreement) &&
        Buffer.concat(output).equals(whole.takeOutput())
      );
    }),
  );
  t.end();
});

/** A handshake whose exports have to be made ready first; `ready` says what came of it. */
function waiting(...bytes: Buffer[]) {
  let ready: (found: Found<NbdExport>) => void = () => undefined;
  const promise = new Promise<Found<NbdExport>>((resolve) => (ready = resolve));
  const handshake = new Handshake({ ...exports, lookup: () => promise });
  handshake.takeOutput();
  const sent = Buffer.concat(bytes);
  const taken = handshake.receive(sent);
  return { handshake, ready, rest: sent.subarray(taken) };
}

t.test('an export that has to be made ready', async (t) => {
  const info = optionBytes(INFO, infoBytes('a'));
  const more = optionBytes(LIST);
  const { handshake, ready, rest } = waiting(FLAGS, info, more);
  t.equal(handshake.stage, 'lookup');
  t.same(rest, more, 'what follows waits');
  t.equal(handshake.receive(rest), 0);
  t.equal(handshake.takeOutput().length, 0);
  ready(disk);
  await handshake.found;
  t.equal(handshake.stage, 'option-header');
  t.equal(handshake.found, undefined);
  t.equal(handshake.receive(rest), rest.length);
  const types = replies(handshake.takeOutput()).map(({ type }) => type);
  t.same(types, [REP_INFO, REP_INFO, ACK, SERVER, SERVER, ACK]);

  const go = waiting(FLAGS, optionBytes(GO, infoBytes('a')));
  go.ready(disk);
  await go.handshake.found;
  t.match(go.handshake, { stage: 'transmission', agreement: { target: disk } });

  const refused = waiting(FLAGS, optionBytes(GO, infoBytes('a')));
  refused.ready('it does not open');
  await refused.handshake.found;
  t.match(replies(refused.handshake.takeOutput()), [
    { option: GO, type: UNKNOWN, data: Buffer.from('it does not open') },
  ]);

  const old = waiting(FLAGS, optionBytes(EXPORT_NAME, Buffer.from('a')));
  old.ready('it does not open');
  await old.handshake.found;
  t.match(old.handshake, { stage: 'closed', reason: 'it does not open' });
  for (const option of [EXPORT_NAME, GO]) {
    const data = option === GO ? infoBytes('a') : Buffer.from('a');
    const late = waiting(FLAGS, optionBytes(option, data));
    late.handshake.shutDown();
    late.ready(disk);
    await late.handshake.found;
    t.equal(late.handshake.agreement?.target, undefined, 'not any more');
  }
});
