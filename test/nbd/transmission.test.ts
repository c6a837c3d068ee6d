// Request headers, the checks on them, and reply headers.
import fc from 'fast-check';
import t from 'tap';
import { errorValue, type ErrorName } from '../../src/nbd/errno.js';
import type { Agreement, HeaderStyle } from '../../src/nbd/agreement.js';
import type { NbdExport } from '../../src/nbd/export.js';
import { writeSimpleReply } from '../../src/nbd/reply.js';
import { parseExtendedRequest, parseRequest, RequestHeader } from '../../src/nbd/request.js';
import { validateRequest } from '../../src/nbd/validate.js';
import { extendedRequestBytes, requestBytes } from '../lib/nbd-client.js';

const HAS_FLAGS = 1;
const READ_ONLY = 2;
const FLUSH_FUA_ZEROES = 4 | 8 | 64;
const [READ, WRITE, FLUSH, TRIM, CACHE, ZEROES, BLOCK_STATUS] = [0, 1, 3, 4, 5, 6, 7] as const;
const [FUA, NO_HOLE, DF, REQ_ONE, FAST_ZERO, PAYLOAD_LEN] = [1, 2, 4, 8, 16, 32] as const;
const [SEND_DF, SEND_CACHE, SEND_FAST_ZERO] = [128, 1024, 2048] as const;
const [OK, EPERM, EINVAL, ENOSPC, ENOTSUP] = [0, 1, 22, 28, 95] as const;

const SIZE = 100_000_000;
const PAYLOAD_MAX = 1 << 25;

function target(transmissionFlags: number, style: HeaderStyle = 'simple'): Agreement<NbdExport> {
  const disk = {
    name: '',
    description: '',
    sizeBytes: SIZE,
    transmissionFlags: HAS_FLAGS | transmissionFlags,
    minimumBlockBytes: 1,
    preferredBlockBytes: 4096,
    payloadBytesMax: PAYLOAD_MAX,
  };
  return {
    target: disk,
    style,
    transmissionFlags: disk.transmissionFlags,
    allocation: style !== 'simple',
  };
}

const full = target(FLUSH_FUA_ZEROES);

/** What a request of `type` gets; `payloadBytes` follow it, by default as compact headers say. */
function check(
  on: Agreement<NbdExport>,
  type: number,
  offsetBytes: number,
  lengthBytes: number,
  commandFlags = 0,
  payloadBytes = type === WRITE ? lengthBytes : 0,
): number {
  const header = Object.assign(new RequestHeader(), {
    type,
    offsetBytes,
    lengthBytes,
    commandFlags,
    payloadBytes,
  });
  return validateRequest(header, on)?.error ?? OK;
}

t.test('a header is parsed field by field', (t) => {
  fc.assert(
    fc.property(
      fc.record({
        magic: fc.nat(0xffffffff),
        flags: fc.nat(0xffff),
        type: fc.nat(0xffff),
        cookie: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        offset: fc.bigInt({ min: 0n, max: 2n ** 53n }),
        length: fc.nat(0xffffffff),
      }),
      fc.nat(10),
      (request, at) => {
        const bytes = Buffer.concat([Buffer.alloc(at, 0xee), requestBytes(request)]);
        const header = new RequestHeader();
        parseRequest(bytes, at, header);
        return (
          header.magic === request.magic &&
          header.commandFlags === request.flags &&
          header.type === request.type &&
          (BigInt(header.cookieHigh) << 32n) + BigInt(header.cookieLow) === request.cookie &&
          header.offsetBytes === Number(request.offset) &&
          header.lengthBytes === request.length &&
          header.payloadBytes === (request.type === WRITE ? request.length : 0)
        );
      },
    ),
  );
  t.throws(() => {
    parseRequest(Buffer.alloc(28), 1, new RequestHeader());
  }, RangeError);
  t.end();
});

t.test('an extended header, likewise', (t) => {
  fc.assert(
    fc.property(
      fc.record({
        magic: fc.nat(0xffffffff),
        flags: fc.nat(0xffff),
        type: fc.oneof(fc.constant(WRITE), fc.nat(0xffff)),
        cookie: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        offset: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        length: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      }),
      fc.nat(10),
      (request, at) => {
        const header = new RequestHeader();
        const bytes = extendedRequestBytes(request);
        parseExtendedRequest(Buffer.concat([Buffer.alloc(at, 0xee), bytes]), at, header);
        return (
          header.magic === request.magic &&
          header.commandFlags === request.flags &&
          header.type === request.type &&
          (BigInt(header.cookieHigh) << 32n) + BigInt(header.cookieLow) === request.cookie &&
          (BigInt(header.offsetHigh) << 32n) + BigInt(header.offsetLow) === request.offset &&
          header.offsetBytes === Number(request.offset) &&
          header.lengthBytes === Number(request.length) &&
          header.payloadBytes ===
            ((request.flags & PAYLOAD_LEN) !== 0 || request.type === WRITE ? header.lengthBytes : 0)
        );
      },
    ),
  );
  t.throws(() => {
    parseExtendedRequest(Buffer.alloc(32), 1, new RequestHeader());
  }, RangeError);
  t.end();
});

t.test('a reply header carries the cookie back', (t) => {
  const bytes = Buffer.alloc(20, 0xee);
  writeSimpleReply(bytes, 2, 28, 0xfedcba98, 0x76543210);
  t.equal(bytes.toString('hex'), 'eeee674466980000001cfedcba9876543210eeee');
  t.end();
});

t.test('errors have the values of the protocol', (t) => {
  const values: [ErrorName, number][] = [
    ['EPERM', 1],
    ['EIO', 5],
    ['ENOMEM', 12],
    ['EINVAL', 22],
    ['ENOSPC', 28],
    ['EOVERFLOW', 75],
    ['ENOTSUP', 95],
    ['ESHUTDOWN', 108],
  ];
  for (const [name, value] of values) t.equal(errorValue(name), value, name);
  t.equal(errorValue(undefined), 0);
  t.end();
});

t.test('ranges', (t) => {
  const beyond = [
    [READ, EINVAL],
    [WRITE, ENOSPC],
    [ZEROES, ENOSPC],
  ] as const;
  for (const [type, error] of beyond) {
    t.equal(check(full, type, 0, 1), OK);
    t.equal(check(full, type, SIZE - 512, 512), OK, 'up to the end');
    t.equal(check(full, type, SIZE - 512, 513), error, 'a byte beyond the end');
    t.equal(check(full, type, SIZE, 1), error);
    t.equal(check(full, type, 2 ** 64 - 1, 1), error, 'the highest offset does not wrap');
    t.equal(check(full, type, 5, 0), EINVAL, 'length 0');
  }
  t.end();
});

t.test('the longest payload', (t) => {
  for (const type of [READ, WRITE]) {
    t.equal(check(full, type, 0, PAYLOAD_MAX), OK);
    t.equal(check(full, type, 0, PAYLOAD_MAX + 1), EINVAL);
  }
  t.equal(check(full, ZEROES, 0, SIZE), OK, 'zeroes have no payload');
  t.end();
});

t.test('read-only exports', (t) => {
  for (const type of [WRITE, ZEROES, TRIM]) {
    t.equal(check(target(READ_ONLY), type, 0, 512), EPERM);
    t.equal(check(target(READ_ONLY), type, SIZE, 512, 0xffff), EPERM, 'before anything else');
  }
  t.equal(check(target(READ_ONLY), READ, 0, 512), OK);
  t.end();
});

t.test('commands that were not announced', (t) => {
  for (const type of [TRIM, CACHE, BLOCK_STATUS, 8, 99, 0xffff]) {
    t.equal(check(full, type, 0, 512), EINVAL, String(type));
  }
  t.equal(check(target(0), FLUSH, 0, 0), EINVAL);
  t.equal(check(target(0), ZEROES, 0, 512), EINVAL);
  t.end();
});

t.test('flush has no range', (t) => {
  t.equal(check(full, FLUSH, 0, 0), OK);
  t.equal(check(full, FLUSH, 0, 1), EINVAL);
  t.equal(check(full, FLUSH, 1, 0), EINVAL);
  t.end();
});

t.test('flags', (t) => {
  for (const type of [READ, WRITE, ZEROES]) {
    t.equal(check(full, type, 0, 512, FUA), OK, 'FUA goes with every command');
    t.equal(check(target(64), type, 0, 512, FUA), EINVAL, 'if it was announced');
  }
  t.equal(check(full, FLUSH, 0, 0, FUA), OK);
  t.equal(check(full, ZEROES, 0, 512, NO_HOLE), OK);
  t.equal(check(full, ZEROES, 0, 512, FUA | NO_HOLE), OK);
  t.equal(check(full, WRITE, 0, 512, NO_HOLE), EINVAL);
  t.equal(check(full, READ, 0, 512, DF), EINVAL);
  for (const flag of [DF, REQ_ONE, FAST_ZERO, PAYLOAD_LEN, 0x8000]) {
    t.equal(check(full, ZEROES, 0, 512, flag), EINVAL);
  }
  t.end();
});

t.test('fast zeroes are refused, where they may be asked for', (t) => {
  const fast = target(FLUSH_FUA_ZEROES | SEND_FAST_ZERO);
  t.equal(check(fast, ZEROES, 0, SIZE, FAST_ZERO), ENOTSUP);
  t.equal(check(fast, ZEROES, 0, 512, FAST_ZERO | NO_HOLE | FUA), ENOTSUP);
  t.equal(check(fast, ZEROES, 0, SIZE + 1, FAST_ZERO), ENOSPC, 'but first what is wrong');
  t.equal(check(fast, ZEROES, 0, SIZE), OK, 'never those that need not be fast');
  t.equal(check(fast, WRITE, 0, 512, FAST_ZERO), EINVAL);
  t.end();
});

t.test('what structured replies bring', (t) => {
  const on = target(FLUSH_FUA_ZEROES | SEND_DF | SEND_CACHE, 'structured');
  t.equal(check(on, READ, 0, PAYLOAD_MAX, DF), OK);
  t.equal(check(on, WRITE, 0, 512, DF), EINVAL);
  t.equal(check(on, CACHE, 0, SIZE), OK, 'an effect may be longer than a payload');
  t.equal(check(on, CACHE, 1, SIZE), EINVAL);
  t.equal(check(on, CACHE, 0, 512, DF), EINVAL);
  t.equal(check(on, BLOCK_STATUS, 0, SIZE), OK);
  t.equal(check(on, BLOCK_STATUS, 0, SIZE, REQ_ONE | FUA), OK);
  t.equal(check(on, BLOCK_STATUS, 0, 0), EINVAL);
  t.equal(check(on, BLOCK_STATUS, 1, SIZE), EINVAL);
  t.equal(check({ ...on, allocation: false }, BLOCK_STATUS, 0, 512), EINVAL, 'no context');
  t.equal(check(on, READ, 0, 512, REQ_ONE), EINVAL);
  t.end();
});

t.test('what extended headers bring', (t) => {
  const on = target(FLUSH_FUA_ZEROES | SEND_DF | SEND_CACHE, 'extended');
  t.equal(check(on, WRITE, 0, 512, PAYLOAD_LEN), OK);
  t.equal(check(on, WRITE, 0, 512, 0), OK, 'a flag that was forgotten');
  t.equal(check(on, WRITE, 0, PAYLOAD_MAX + 1, PAYLOAD_LEN), EINVAL);
  for (const type of [READ, FLUSH, ZEROES, CACHE, BLOCK_STATUS, 99]) {
    t.equal(check(on, type, 0, 512, PAYLOAD_LEN, 512), EINVAL, 'nothing else has');
    t.equal(check(on, type, 0, 0, PAYLOAD_LEN, 0), EINVAL);
  }
  for (const type of [ZEROES, CACHE, BLOCK_STATUS]) {
    const error = type === ZEROES ? ENOSPC : EINVAL;
    for (const lengthBytes of [2 ** 33, 2 ** 53 + 2, 2 ** 64 - 2 ** 11, 2 ** 64]) {
      t.equal(check(on, type, 0, lengthBytes), error, `${lengthBytes} bytes`);
    }
  }
  t.end();
});
