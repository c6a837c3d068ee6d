// The two messages that are written and read by hand, against msgpackr: the same bytes out, the
// same numbers in, and nothing taken that the general way would refuse.
import t from 'tap';
import fc from 'fast-check';
import { FRAME_REQUESTS_MAX } from '../../src/base/limits.js';
import { checkDone } from '../../src/helper/decode.js';
import { encodeFrame, FrameDecoder, wireInteger } from '../../src/helper/frame.js';
import { DoneReader, IoFrame } from '../../src/helper/io-frames.js';
import { IO_OPS, KIND_DONE, KIND_IO } from '../../src/helper/protocol.js';

const LENGTH_BYTES = 4;

/** Integers of every length that msgpack has, and their edges. */
const integer = fc.oneof(
  fc.constantFrom(0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
  fc.maxSafeNat(),
  fc.nat(),
);
const request = fc.record({
  id: integer,
  op: fc.constantFrom(IO_OPS.READ, IO_OPS.WRITE, IO_OPS.FLUSH),
  startSector: integer,
  nrSectors: integer,
  arenaOffset: integer,
});

function ignore(): void {
  return;
}

t.test('an IO message is what msgpackr makes of it', async () => {
  const frame = new IoFrame();
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 40 }), (requests) => {
      for (const { id, ...io } of requests) frame.add(id, { ...io, done: ignore });
      const mine = Buffer.from(frame.bytes.subarray(frame.close(), frame.end));
      frame.clear();
      const integers = requests.flatMap(({ id, op, startSector, nrSectors, arenaOffset }) => [
        wireInteger(id),
        op,
        wireInteger(startSector),
        nrSectors < 2 ** 32 ? nrSectors : BigInt(nrSectors),
        wireInteger(arenaOffset),
      ]);
      return mine.equals(encodeFrame([KIND_IO, ...integers]));
    }),
  );
});

t.test('the largest IO message fits, and nothing after it', async (t) => {
  const frame = new IoFrame();
  const io = { op: IO_OPS.READ, nrSectors: 2 ** 52, arenaOffset: 2 ** 52, done: ignore };
  for (let index = 0; index < FRAME_REQUESTS_MAX; index++) {
    frame.add(2 ** 52 + index, { ...io, startSector: 2 ** 52 });
  }
  t.ok(frame.end <= frame.bytes.length);
  t.throws(() => {
    frame.add(1, { ...io, startSector: 1 });
  }, /bounds/);
});

t.test('a DONE message is read like the general way reads it', async (t) => {
  const reader = new DoneReader();
  const answer = fc.tuple(integer, integer);
  fc.assert(
    fc.property(fc.array(answer, { minLength: 1, maxLength: 40 }), fc.nat(9), (answers, before) => {
      const numbers = answers.flat();
      const frame = encodeFrame([KIND_DONE, ...numbers.map(wireInteger)]);
      const bytes = Buffer.concat([Buffer.alloc(before, 0xff), frame, Buffer.alloc(3)]);
      const start = before + LENGTH_BYTES;
      if (!reader.read(bytes, start, before + frame.length)) return false;
      return numbers.every((number, index) => reader.answers[index] === number);
    }),
  );
  const most = Array.from({ length: 2 * FRAME_REQUESTS_MAX }, (_, index) => index);
  const frame = encodeFrame([KIND_DONE, ...most]);
  t.ok(reader.read(frame, LENGTH_BYTES, frame.length), 'the largest');
  t.equal(reader.count, most.length);
});

t.test('whatever the reader takes, the general way takes too', async () => {
  const reader = new DoneReader();
  const damaged = fc.tuple(
    fc.array(integer, { minLength: 0, maxLength: 8 }),
    fc.constantFrom(KIND_DONE, 3, 5),
    fc.array(fc.tuple(fc.nat(40), fc.nat(255)), { maxLength: 3 }),
    fc.integer({ min: -3, max: 3 }),
  );
  fc.assert(
    fc.property(damaged, ([numbers, kind, changes, longer]) => {
      const body = encodeFrame([kind, ...numbers.map(wireInteger)]).subarray(LENGTH_BYTES);
      const bytes = Buffer.concat([body, Buffer.alloc(8)]);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      const end = Math.max(1, body.length + longer);
      if (!reader.read(bytes, 0, end)) return true;
      const whole = Buffer.concat([Buffer.alloc(LENGTH_BYTES), bytes.subarray(0, end)]);
      whole.writeUInt32BE(end);
      let message: number[] = [];
      new FrameDecoder().push(whole, whole.length, {
        body: () => undefined,
        message: (value) => {
          checkDone(value);
          message = value;
          return true;
        },
      });
      const read = [...reader.answers.subarray(0, reader.count)];
      return read.every((number, index) => number === message[index + 1]);
    }),
    { numRuns: 2000 },
  );
});
