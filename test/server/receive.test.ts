// The receiving half alone: where reads are asked to land, and that any sizes of reads give the
// same requests and the same payload.
import fc from 'fast-check';
import t from 'tap';
import type { RequestHeader } from '../../src/nbd/request.js';
import { Receiver, type HandshakeSink, type RequestSink } from '../../src/server/receive.js';
import { requestBytes } from '../lib/nbd-client.js';
import { patterned } from '../lib/nbd-server.js';

const [READ, WRITE] = [0, 1] as const;
const HEADER_BYTES = 28;

/** Writes down what it is told; grants a write's memory at once, or when the test calls grant(). */
class Notes implements HandshakeSink, RequestSink {
  readonly notes: string[] = [];
  readonly receiver: Receiver;
  pieceBytes = 100_000;
  late = false;
  refuses = false;
  #waiting: number | undefined;
  #pieces: Buffer[] = [];

  constructor(zeroCopy: boolean) {
    this.receiver = new Receiver(this, zeroCopy);
    this.receiver.expectRequests(this, false);
  }

  get stopped(): boolean {
    return this.#waiting !== undefined;
  }

  handshake(): number {
    throw new Error('no handshake here');
  }

  request(header: RequestHeader): void {
    this.notes.push(`${header.type} ${header.cookieLow}`);
    if (header.type !== WRITE) return;
    if (this.refuses) this.receiver.passOver(header.lengthBytes);
    else this.#waiting = header.lengthBytes;
    if (!this.late) this.grant();
  }

  grant(): void {
    if (this.#waiting === undefined) return;
    const lengthBytes = this.#waiting;
    this.#waiting = undefined;
    for (let at = 0; at < lengthBytes; at += this.pieceBytes) {
      this.#pieces.push(Buffer.alloc(Math.min(this.pieceBytes, lengthBytes - at)));
    }
    this.receiver.intoPieces(this.#pieces, lengthBytes);
  }

  payload(): void {
    this.notes.push(Buffer.concat(this.#pieces).toString('base64'));
    this.#pieces = [];
  }
}

/**
 * Feeds `stream` as a socket does: as much as there is room for, and `sizes` allow. The room for a
 * read is chosen right after the one before, also when the socket is then paused for a while.
 */
function readAll(sink: Notes, stream: Buffer, sizes: number[]): number[] {
  const { receiver } = sink;
  const wantsBytes = (): boolean => receiver.wantsBytes;
  const reads: number[] = [];
  let room = receiver.next();
  for (let at = 0, n = 0; at < stream.length; n++) {
    if (room.length === 0) throw new Error('no room to read into');
    const count = Math.min(room.length, stream.length - at, sizes[n % sizes.length] ?? 1);
    stream.copy(room, 0, at, at + count);
    reads.push(count);
    at += count;
    receiver.landed(count);
    room = receiver.next();
    while (!wantsBytes()) {
      sink.grant();
      receiver.process();
    }
  }
  return reads;
}

const requests = fc.array(
  fc.record({
    type: fc.constantFrom(READ, WRITE),
    length: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 150_000 })),
  }),
  { minLength: 1, maxLength: 10 },
);
const sizes = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 1e5 })),
  {
    minLength: 1,
  },
);

/** The stream of `all`, and the notes it must give. */
function expected(all: { type: number; length: number }[]): { stream: Buffer; notes: string[] } {
  const notes: string[] = [];
  const parts = all.map(({ type, length }, n) => {
    const data = type === WRITE ? patterned(length, n + 1) : Buffer.alloc(0);
    notes.push(`${type} ${n}`, ...(type === WRITE ? [data.toString('base64')] : []));
    return requestBytes({ type, length, data, cookie: BigInt(n) });
  });
  return { stream: Buffer.concat(parts), notes };
}

t.test('reads of any sizes, grants at once or late, pieces of any size', (t) => {
  fc.assert(
    fc.property(
      requests,
      sizes,
      fc.boolean(),
      fc.constantFrom(7000, 100_000),
      (all, cut, late, piece) => {
        const { stream, notes } = expected(all);
        const sink = new Notes(true);
        sink.late = late;
        sink.pieceBytes = piece;
        readAll(sink, stream, cut);
        return JSON.stringify(sink.notes) === JSON.stringify(notes);
      },
    ),
  );
  t.end();
});

t.test('chunks of any sizes', (t) => {
  fc.assert(
    fc.property(requests, sizes, (all, cut) => {
      const { stream, notes } = expected(all);
      const sink = new Notes(false);
      for (let at = 0, n = 0; at < stream.length; n++) {
        const count = cut[n % cut.length] ?? 1;
        sink.receiver.feed(stream.subarray(at, at + count));
        at += count;
      }
      return JSON.stringify(sink.notes) === JSON.stringify(notes);
    }),
  );
  t.end();
});

t.test('a stream of bulk writes lands in place', (t) => {
  const writes = Array.from({ length: 5 }, () => ({ type: WRITE, length: 262_144 }));
  const { stream, notes } = expected(writes);
  const sink = new Notes(true);
  sink.pieceBytes = 262_144;
  const reads = readAll(sink, stream, [Infinity]);
  t.same(sink.notes, notes);
  const [first, rest, ...others] = reads;
  t.equal((first ?? 0) + (rest ?? 0), HEADER_BYTES + 262_144, 'only the first read takes more');
  t.same(others, Array.from({ length: 4 }, () => [HEADER_BYTES, 262_144]).flat());
  t.end();
});

t.test('many small requests are one read', (t) => {
  const reads = Array.from({ length: 1000 }, () => ({ type: READ, length: 4096 }));
  const { stream, notes } = expected(reads);
  const sink = new Notes(true);
  t.same(readAll(sink, stream, [Infinity]), [stream.length]);
  t.same(sink.notes, notes);
  t.end();
});

t.test('a payload that is passed over, and one that never completes', (t) => {
  const { stream } = expected([
    { type: WRITE, length: 200_000 },
    { type: READ, length: 1 },
  ]);
  const sink = new Notes(true);
  sink.refuses = true;
  readAll(sink, stream, [70_000]);
  t.same(sink.notes, ['1 0', '', '0 1']);
  sink.receiver.next();
  readAll(sink, stream.subarray(0, 1000), [1000]);
  t.ok(sink.receiver.inPayload);
  sink.receiver.stop();
  t.notOk(sink.receiver.inPayload);
  t.end();
});
