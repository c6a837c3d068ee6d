// What a helper sends is taken exactly as docs/helper-protocol.md has it, or refused.
import t from 'tap';
import fc from 'fast-check';
import {
  checkDone,
  decodeCallError,
  decodeCallResult,
  decodeEvent,
  decodeResult,
  messageKind,
} from '../../src/helper/decode.js';
import { ProtocolError } from '../../src/helper/frame.js';

const refused = { name: 'ProtocolError' };

t.test('kinds', async (t) => {
  t.same([messageKind([3]), messageKind([4]), messageKind([5])], [3, 4, 5]);
  for (const body of [undefined, null, 4, 'x', {}, [], [1], [2], [6], ['4'], [4n]]) {
    t.throws(() => messageKind(body), refused);
  }
});

t.test('DONE', async (t) => {
  const check = (body: unknown): void => {
    checkDone(body);
  };
  for (const body of [
    [4, 1, 0],
    [4, 1, 0, 2, 16007],
    [4, 1, 2n ** 63n],
    [4, 2 ** 33, 0],
  ]) {
    t.doesNotThrow(() => {
      check(body);
    });
  }
  const wrong: unknown[][] = [
    [4],
    [4, 1],
    [4, 1, 0, 2],
    [4, '1', 0],
    [4, 1, null],
    [4, -1, 0],
    [4, 1, -1],
    [4, 1, -1n],
    [4, 1.5, 0],
    [4, 1n, 0],
    [4, 1, 0.5],
    [4, 1, []],
    [4, 1, 0, 2, undefined],
  ];
  for (const body of wrong) {
    t.throws(
      () => {
        check(body);
      },
      refused,
      JSON.stringify(body, (_, value: unknown) => String(value)),
    );
  }
});

t.test('RESULT', async (t) => {
  t.strictSame(decodeResult([3, 9, 0, { a: 1 }]), { id: 9, vixError: 0, fields: { a: 1 } });
  t.equal(decodeResult([3, 9, 2n ** 64n - 1n, {}]).vixError, 2n ** 64n - 1n);
  const wrong: unknown[][] = [
    [3, 9, 0],
    [3, 9, 0, {}, 0],
    [3, '9', 0, {}],
    [3, 9, 'x', {}],
    [3, 9, 0, null],
    [3, 9, 0, []],
    [3, 9, 0, new Map()],
    [3, 9, 0, Buffer.alloc(1)],
  ];
  for (const body of wrong) t.throws(() => decodeResult(body), refused);
});

t.test('EVENT', async (t) => {
  const log = { level: 'debug', text: 'a', dropped: 3 };
  t.strictSame(decodeEvent([5, 'log', { ...log, later: 1 }]), { name: 'log', ...log });
  t.strictSame(decodeEvent([5, 'log', { ...log, level: 'trace' }]).name, 'log');
  t.strictSame(decodeEvent([5, 'panic', { text: 'p' }]), { name: 'panic', text: 'p' });
  t.equal(decodeEvent([5, 'panic', { text: 'x'.repeat(9999) }]).text.length, 9999);
  const wrong: unknown[][] = [
    [5, 'log'],
    [5, 'log', log, 1],
    [5, 'news', log],
    [5, 7, log],
    [5, 'log', { ...log, level: 'info' }],
    [5, 'log', { ...log, level: undefined }],
    [5, 'log', { ...log, text: 7 }],
    [5, 'log', { ...log, text: 'x'.repeat(4097) }],
    [5, 'log', { ...log, dropped: null }],
    [5, 'panic', {}],
  ];
  for (const body of wrong) t.throws(() => decodeEvent(body), refused);
});

t.test('errors of calls', async (t) => {
  const error = decodeCallError({
    id: 1,
    vixError: 16064n,
    fields: { call: 'VixDiskLib_Open', text: 'no', helperError: null },
  });
  t.match(error, { message: 'no', call: 'VixDiskLib_Open', vixError: 16064n });
  t.equal(error.helperError, undefined);
  const load = { call: 'HELLO', text: '', helperError: 'load' };
  t.equal(decodeCallError({ id: 1, vixError: 1, fields: load }).helperError, 'load');
  for (const fields of [
    {},
    { call: 'x' },
    { ...load, helperError: 'mood' },
    { ...load, text: 1 },
  ]) {
    t.throws(() => decodeCallError({ id: 1, vixError: 1, fields }), refused);
  }
});

t.test('results of calls', async (t) => {
  const hello = {
    library: '/l',
    libraryVersion: 8,
    functions: ['InitEx'],
    transportModes: 'file',
  };
  t.strictSame(decodeCallResult.HELLO({ version: 1, ...hello }), hello);
  const info = {
    capacitySectors: 2 ** 40,
    logicalSectorBytes: 512,
    physicalSectorBytes: 0,
    adapterType: 1,
    numLinks: 2,
  };
  const bare = { ...info, uuid: undefined, parentFileNameHint: undefined };
  t.strictSame(decodeCallResult.INFO({ ...info, uuid: null }), bare);
  t.equal(decodeCallResult.INFO({ ...info, uuid: 'u' }).uuid, 'u');
  t.strictSame(decodeCallResult.OPEN({ transportMode: 'san' }), { transportMode: 'san' });
  const ping = { inCallMs: 5, call: 'x', oldestIoMs: 7, oldestIo: 2 ** 40 };
  t.strictSame(decodeCallResult.PING(ping), ping);
  t.strictSame([decodeCallResult.CONNECT({}), decodeCallResult.CLOSE({ x: 1 })], [{}, {}]);
  const runs = { blocks: [0, 1, 5, 2, 7, 1] };
  t.strictSame(decodeCallResult.ALLOCATED_BLOCKS(runs), runs);

  const wrong = (decode: () => unknown): void => {
    t.throws(decode, refused);
  };
  wrong(() => decodeCallResult.HELLO({ ...hello, functions: ['a', 1] }));
  wrong(() => decodeCallResult.HELLO({ ...hello, functions: null }));
  wrong(() => decodeCallResult.HELLO({ ...hello, libraryVersion: '8' }));
  wrong(() => decodeCallResult.OPEN({}));
  wrong(() => decodeCallResult.INFO({ ...info, uuid: 7 }));
  wrong(() => decodeCallResult.INFO({ ...info, uuid: undefined }));
  wrong(() => decodeCallResult.INFO({ ...info, capacitySectors: 2n ** 60n }));
  wrong(() => decodeCallResult.INFO({ ...info, capacitySectors: -1 }));
  for (const blocks of [[0], [0, 0], [5, 1, 0, 1], [0, 5, 4, 1], [0, -1], ['0', 1], 7]) {
    wrong(() => decodeCallResult.ALLOCATED_BLOCKS({ blocks }));
  }
});

t.test('any value is a message or a ProtocolError', async () => {
  const attempt = (decode: () => unknown): void => {
    try {
      decode();
    } catch (thrown) {
      if (!(thrown instanceof ProtocolError)) throw thrown;
    }
  };
  const value = fc.anything({ withBigInt: true, withNullPrototype: true });
  const message = fc
    .tuple(fc.constantFrom(3, 4, 5), fc.array(value))
    .map(([k, rest]) => [k, ...rest]);
  fc.assert(
    fc.property(fc.oneof(value, message), fc.dictionary(fc.string(), value), (body, fields) => {
      attempt(() => {
        const decoders = {
          3: decodeResult,
          4: checkDone,
          5: decodeEvent,
        };
        decoders[messageKind(body)](body);
      });
      for (const decode of Object.values(decodeCallResult)) attempt(() => decode(fields));
      attempt(() => decodeCallError({ id: 1, vixError: 1, fields }));
    }),
    { numRuns: 500 },
  );
});
