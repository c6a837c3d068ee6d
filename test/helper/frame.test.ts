// Framing: any split of the byte stream gives the same messages, any bytes give messages or a
// ProtocolError, and the vectors that the helper's tests use too are decoded and encoded again.
import t from 'tap';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { FRAME_FROM_HELPER_BYTES_MAX } from '../../src/base/limits.js';
import {
  FrameDecoder,
  type MessageSink,
  ProtocolError,
  encodeFrame,
  wireInteger,
} from '../../src/helper/frame.js';

function frameOf(body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** Takes every message by the general way. */
function general(message: (body: unknown) => boolean): MessageSink {
  return { body: () => undefined, message };
}

/** All messages in `chunks`. */
function decodeAll(chunks: readonly Buffer[]): unknown[] {
  const decoder = new FrameDecoder();
  const bodies: unknown[] = [];
  for (const chunk of chunks) {
    decoder.push(
      chunk,
      chunk.length,
      general((body) => bodies.push(body) > 0),
    );
  }
  return bodies;
}

const all = general(() => true);

/** `bytes` in pieces that end at `cuts` (modulo its length). */
function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

/** A vector's value: {"$int": "..."} is an integer, {"$bin": "..."} are bytes in hex. */
function revive(value: unknown, wide: (integer: bigint) => unknown): unknown {
  if (Array.isArray(value)) return value.map((element) => revive(element, wide));
  if (typeof value !== 'object' || value === null) return value;
  if ('$int' in value) return wide(BigInt(value.$int as string));
  if ('$bin' in value) return Buffer.from(value.$bin as string, 'hex');
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, revive(one, wide)]));
}

interface Vector {
  name: string;
  hex: string;
  value: unknown;
}

for (const file of ['call', 'io', 'result', 'done', 'event']) {
  t.test(`vectors: ${file}`, async (t) => {
    const path = new URL(`../fixtures/vectors/${file}.json`, import.meta.url);
    const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vector[];
    t.ok(vectors.length > 0);
    for (const { name, hex, value } of vectors) {
      const frame = encodeFrame(revive(value, (integer) => integer) as unknown[]);
      t.equal(frame.subarray(4).toString('hex'), hex, `${name}: encoded`);
      const narrow = (integer: bigint): unknown =>
        integer <= Number.MAX_SAFE_INTEGER ? Number(integer) : integer;
      t.strictSame(decodeAll([frameOf(Buffer.from(hex, 'hex'))]), [revive(value, narrow)], name);
    }
  });
}

t.test('integers are never floats', async (t) => {
  for (const value of [0, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1]) {
    const frame = encodeFrame([wireInteger(value)]);
    t.not(frame[5], 0xcb);
    t.strictSame(decodeAll([frame]), [[value]]);
  }
  t.equal(encodeFrame([undefined]).toString('hex'), '0000000291c0', 'undefined is nil');
});

const message = fc.array(
  fc.oneof(fc.maxSafeNat().map(wireInteger), fc.string(), fc.constant(null), fc.boolean()),
  { maxLength: 50 },
);

t.test('any split gives the same messages', async () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat(5000)), (messages, cuts) => {
      const bytes = Buffer.concat(messages.map((one) => encodeFrame(one)));
      const plain = messages.map((one) => one.map((x) => (typeof x === 'bigint' ? Number(x) : x)));
      fc.pre(bytes.length > 0);
      t.strictSame(decodeAll(split(bytes, cuts)), plain);
      return decodeAll([...bytes].map((byte) => Buffer.from([byte]))).length === plain.length;
    }),
    { numRuns: 100 },
  );
});

t.test('any bytes are messages or a ProtocolError', async () => {
  const attempt = (chunks: Buffer[]): void => {
    try {
      decodeAll(chunks);
    } catch (thrown) {
      if (!(thrown instanceof ProtocolError)) throw thrown;
    }
  };
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(5000), { maxLength: 4 }), (body, cuts) => {
      attempt(split(body, cuts));
      attempt(split(Buffer.concat([frameOf(body), frameOf(body)]), cuts));
    }),
    { numRuns: 3000 },
  );
});

t.test('what is no frame', async (t) => {
  const refused = (bytes: Buffer, message: RegExp): void => {
    t.throws(() => decodeAll([bytes]), { name: 'ProtocolError', message });
    t.throws(() => decodeAll(split(bytes, [1, 2, 3, 4, 5])), { name: 'ProtocolError', message });
  };
  refused(Buffer.from('00000000', 'hex'), /a frame of 0 bytes/);
  refused(frameOf(Buffer.from('9301', 'hex')), /not one msgpack value/);
  refused(frameOf(Buffer.from('9101ff', 'hex')), /not one msgpack value/);
  refused(frameOf(Buffer.alloc(100_000, 0x91)), /not one msgpack value/);
  refused(frameOf(Buffer.from('ddffffffff01', 'hex')), /not one msgpack value/);
});

t.test('a length is refused before anything is allocated', async (t) => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(FRAME_FROM_HELPER_BYTES_MAX + 1);
  for (const chunks of [[length], [length.subarray(0, 2), length.subarray(2)]]) {
    const decoder = new FrameDecoder();
    const before = process.memoryUsage().arrayBuffers;
    t.throws(() => {
      for (const chunk of chunks) decoder.push(chunk, chunk.length, all);
    }, /8388609 bytes is announced/);
    t.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024);
  }
  length.writeUInt32BE(FRAME_FROM_HELPER_BYTES_MAX);
  t.same(decodeAll([length]), [], 'the longest is waited for');
});

t.test('the end inside a frame is seen', async (t) => {
  const decoder = new FrameDecoder();
  const frame = encodeFrame([1, 2, 3]);
  for (const end of frame.keys()) {
    t.equal(decoder.isInsideFrame, end > 0);
    decoder.push(frame.subarray(end), 1, all);
  }
  t.equal(decoder.isInsideFrame, false);
});

t.test('a sink that says stop gets no more', async (t) => {
  const two = Buffer.concat([encodeFrame([1]), encodeFrame([2])]);
  for (const chunks of [[two], [two.subarray(0, 3), two.subarray(3)]]) {
    const bodies: unknown[] = [];
    const decoder = new FrameDecoder();
    const one = general((body) => bodies.push(body) < 1);
    for (const chunk of chunks) decoder.push(chunk, chunk.length, one);
    t.same(bodies, [[1]]);
  }
});
