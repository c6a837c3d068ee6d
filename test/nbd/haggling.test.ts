// Options about the transmission phase: structured replies, metadata contexts, extended headers,
// in every order, and what the handshake leads to with them.
import fc from 'fast-check';
import t from 'tap';
import type { Agreement } from '../../src/nbd/agreement.js';
import type { NbdExport, NbdExports } from '../../src/nbd/export.js';
import { Haggling } from '../../src/nbd/haggling.js';
import { decodeInfo, decodeMetaContextQueries, decodeString } from '../../src/nbd/option-data.js';
import { contextBytes } from '../lib/chunk-client.js';
import { infoBytes } from '../lib/nbd-client.js';

const disk: NbdExport = {
  name: 'a',
  description: '',
  sizeBytes: 2 ** 40,
  transmissionFlags: 0x101,
  minimumBlockBytes: 1,
  preferredBlockBytes: 4096,
  payloadBytesMax: 1 << 25,
};
const exports: NbdExports<NbdExport> = {
  list: () => [disk],
  lookup: (name) => (name === 'none' ? 'no such export' : disk),
};

const [EXPORT_NAME, STARTTLS, INFO, GO, STRUCTURED, LIST_CONTEXT, SET_CONTEXT, EXTENDED] = [
  1, 5, 6, 7, 8, 9, 10, 11,
] as const;
const [ACK, META_CONTEXT] = [1, 4] as const;
const [INVALID, UNKNOWN, SHUTDOWN, EXT_HEADER_REQD] = [3, 6, 7, 10].map((n) => 0x80000000 + n);
const SEND_DF = 0x80;
const NOTHING: Buffer = Buffer.alloc(0);

interface Reply {
  type: number;
  data: Buffer;
}

/** A client's options, one after another. */
class Client {
  readonly haggling = new Haggling(exports, { mode: 'on', isSecure: false });

  /** Takes an option; returns its replies. */
  say(option: number, data = NOTHING): Reply[] {
    this.haggling.take(option, data);
    return this.haggling.takeOutput().map((reply) => ({
      type: reply.readUInt32BE(12),
      data: reply.subarray(20),
    }));
  }

  types(option: number, data?: Buffer): number[] {
    return this.say(option, data).map(({ type }) => type);
  }

  go(name = 'a'): Agreement<NbdExport> | undefined {
    this.say(GO, infoBytes(name));
    return this.haggling.agreement;
  }
}

const ALLOCATION = contextBytes('a', ['base:allocation']);

t.test('nothing negotiated', (t) => {
  t.match(new Client().go(), { style: 'simple', allocation: false, transmissionFlags: 0x101 });
  t.end();
});

t.test('NBD_OPT_STRUCTURED_REPLY', (t) => {
  const client = new Client();
  t.same(client.types(STRUCTURED, Buffer.from('x')), [INVALID]);
  t.equal(client.say(INFO, infoBytes('a'))[0]?.data.readUInt16BE(10), 0x101, 'no DF before');
  t.same(client.types(STRUCTURED), [ACK]);
  t.same(client.types(STRUCTURED), [ACK], 'twice is as good');
  t.equal(client.say(INFO, infoBytes('a'))[0]?.data.readUInt16BE(10), 0x101 | SEND_DF);
  t.match(client.go(), { style: 'structured', allocation: false, transmissionFlags: 0x181 });
  const old = new Client();
  old.say(STRUCTURED);
  old.haggling.take(EXPORT_NAME, Buffer.from('a'));
  t.equal(old.haggling.takeOutput()[0]?.readUInt16BE(8), 0x181);
  t.match(old.haggling.agreement, { style: 'structured' });
  t.end();
});

t.test('NBD_OPT_EXTENDED_HEADERS', (t) => {
  const client = new Client();
  t.same(client.types(EXTENDED, Buffer.from('x')), [INVALID]);
  t.same(client.types(EXTENDED), [ACK], 'without structured replies, too');
  t.same(client.types(STRUCTURED), [EXT_HEADER_REQD], 'there is no way back');
  t.same(client.types(SET_CONTEXT, ALLOCATION), [META_CONTEXT, ACK]);
  t.match(client.go(), { style: 'extended', allocation: true, transmissionFlags: 0x181 });
  const late = new Client();
  late.say(STRUCTURED);
  t.same(late.types(EXTENDED), [ACK]);
  t.match(late.go(), { style: 'extended' });
  const old = new Client();
  old.say(EXTENDED);
  t.same(old.types(EXPORT_NAME, Buffer.from('a')), []);
  t.match(old.haggling, { state: 'closed', reason: /NBD_OPT_EXTENDED_HEADERS/ });
  t.end();
});

t.test('NBD_OPT_LIST_META_CONTEXT', (t) => {
  const client = new Client();
  t.same(client.types(LIST_CONTEXT, ALLOCATION), [INVALID], 'structured replies come first');
  client.say(STRUCTURED);
  const listed = [{ type: META_CONTEXT, data: Buffer.from('\0\0\0\0base:allocation') }];
  for (const queries of [[], ['base:'], ['base:allocation'], ['base:', 'x:', 'base:allocation']]) {
    t.match(client.say(LIST_CONTEXT, contextBytes('a', queries)), [...listed, { type: ACK }]);
  }
  for (const queries of [['x-a:b'], ['base'], ['base:alloc'], [''], ['qemu:dirty-bitmap:b']]) {
    t.same(client.types(LIST_CONTEXT, contextBytes('a', queries)), [ACK], queries.join());
  }
  t.same(client.types(LIST_CONTEXT, contextBytes('none', [])), [UNKNOWN]);
  t.match(client.go(), { allocation: false }, 'listing selects nothing');
  t.end();
});

t.test('NBD_OPT_SET_META_CONTEXT', (t) => {
  const client = new Client();
  t.same(client.types(SET_CONTEXT, ALLOCATION), [INVALID], 'structured replies come first');
  client.say(STRUCTURED);
  const twice = contextBytes('a', ['base:allocation', 'x-a:b', 'base:allocation']);
  t.match(client.say(SET_CONTEXT, twice), [
    { type: META_CONTEXT, data: Buffer.from('\0\0\0\x01base:allocation') },
    { type: ACK },
  ]);
  t.match(client.go(), { allocation: true });

  for (const [option, data, types] of [
    [SET_CONTEXT, contextBytes('a', []), [ACK]],
    [SET_CONTEXT, contextBytes('a', ['base:']), [ACK]],
    [SET_CONTEXT, contextBytes('a', ['x-a:b']), [ACK]],
    [SET_CONTEXT, contextBytes('none', ['base:allocation']), [UNKNOWN]],
    [SET_CONTEXT, Buffer.alloc(3), [INVALID]],
  ] as const) {
    const other = new Client();
    other.say(STRUCTURED);
    other.say(SET_CONTEXT, ALLOCATION);
    t.same(other.types(option, data), types);
    t.match(other.go(), { allocation: false }, 'whatever it says, it replaces the last one');
  }

  const elsewhere = new Client();
  elsewhere.say(STRUCTURED);
  elsewhere.say(SET_CONTEXT, ALLOCATION);
  t.same(elsewhere.types(STRUCTURED), [ACK]);
  t.match(elsewhere.go('b'), { allocation: false }, 'for another name');
  t.end();
});

t.test('TLS begins anew', (t) => {
  const client = new Client();
  client.say(EXTENDED);
  client.say(SET_CONTEXT, ALLOCATION);
  t.same(client.types(STARTTLS), [ACK]);
  client.haggling.secured();
  t.match(client.go(), { style: 'simple', allocation: false, transmissionFlags: 0x101 });
  t.end();
});

t.test('a shutdown', (t) => {
  const client = new Client();
  client.say(STRUCTURED);
  client.haggling.shuttingDown = true;
  for (const option of [STRUCTURED, LIST_CONTEXT, SET_CONTEXT, EXTENDED, GO]) {
    t.same(client.types(option, ALLOCATION), [SHUTDOWN]);
  }
  t.end();
});

t.test('decoders take what was encoded, and nothing else', (t) => {
  const text = fc.string({ unit: 'grapheme' }).filter((string) => !string.includes('\0'));
  fc.assert(
    fc.property(text, fc.array(text), (name, queries) => {
      const data = contextBytes(name, queries);
      t.same(decodeMetaContextQueries(data), { name, queries });
      for (const wrong of [data.subarray(0, -1), Buffer.concat([data, Buffer.alloc(1)])]) {
        if (decodeMetaContextQueries(wrong) !== undefined) return false;
      }
      return true;
    }),
  );
  fc.assert(
    fc.property(text, fc.array(fc.nat(0xffff)), (name, asked) => {
      t.same(decodeInfo(infoBytes(name, asked)), { name, asked });
    }),
  );
  t.end();
});

t.test('decoders take any bytes', (t) => {
  const bytes = fc
    .oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(fc.constantFrom(0, 0, 0, 1, 4, 0xff), { maxLength: 64 }),
    )
    .map((array) => Buffer.from(array));
  fc.assert(
    fc.property(bytes, (data) => {
      const strings = [
        decodeString(data) ?? '',
        decodeInfo(data)?.name ?? '',
        decodeMetaContextQueries(data)?.name ?? '',
        ...(decodeMetaContextQueries(data)?.queries ?? []),
      ];
      return strings.every((s) => !s.includes('\0') && Buffer.byteLength(s) <= data.length);
    }),
    { numRuns: 2000 },
  );
  const huge = Buffer.alloc(12);
  huge.writeUInt32BE(0xffffffff, 4);
  t.equal(decodeMetaContextQueries(huge), undefined, 'a count that cannot be true');
  t.end();
});
