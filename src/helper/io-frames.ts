// The two messages that every request takes, written and read by hand in memory that is used again
// and again: IO to the helper, DONE from it (docs/helper-protocol.md). frame.ts does all others
// with msgpackr. The rule: what is written is byte for byte what msgpackr would write, and a DONE
// that is not plain integers below 2^53 is left to the general way, which says what is wrong.
import { invariant } from '../base/errors.js';
import { FRAME_REQUESTS_MAX } from '../base/limits.js';
import type { HelperIo } from './helper.js';
import { DONE_STRIDE, IO_STRIDE, KIND_DONE, KIND_IO } from './protocol.js';

/** Length, array header, and kind of an IO message of any size. */
const PREFIX_BYTES = 4 + 3 + 1;
/** The longest integer of msgpack. */
const INTEGER_BYTES_MAX = 9;

/** Writes `value` (an integer of 0 to 2^53) at `at`; returns where the next byte goes. */
function writeUint(bytes: Buffer, at: number, value: number): number {
  if (value < 0x80) {
    bytes[at] = value;
    return at + 1;
  }
  if (value < 0x100) {
    bytes[at] = 0xcc;
    bytes[at + 1] = value;
    return at + 2;
  }
  if (value < 0x10000) {
    bytes[at] = 0xcd;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value;
    return at + 3;
  }
  if (value < 0x1_0000_0000) {
    bytes[at] = 0xce;
    return write32(bytes, at + 1, value);
  }
  const high = Math.floor(value / 0x1_0000_0000);
  bytes[at] = 0xd3;
  return write32(bytes, write32(bytes, at + 1, high), value - high * 0x1_0000_0000);
}

function write32(bytes: Buffer, at: number, value: number): number {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
  return at + 4;
}

/** An IO message in the making. */
export class IoFrame {
  readonly bytes = Buffer.allocUnsafeSlow(
    PREFIX_BYTES + FRAME_REQUESTS_MAX * IO_STRIDE * INTEGER_BYTES_MAX,
  );
  /** Where the frame ends; where it begins is close()'s answer. */
  end = PREFIX_BYTES;
  requestCount = 0;

  /** Adds a request; there may be FRAME_REQUESTS_MAX. */
  add(id: number, { op, startSector, nrSectors, arenaOffset }: HelperIo): void {
    invariant(this.requestCount < FRAME_REQUESTS_MAX, 'a frame has its bounds');
    const { bytes } = this;
    let at = writeUint(bytes, this.end, id);
    at = writeUint(bytes, at, op);
    at = writeUint(bytes, at, startSector);
    at = writeUint(bytes, at, nrSectors);
    this.end = writeUint(bytes, at, arenaOffset);
    this.requestCount++;
  }

  /** Writes what stands in front of the requests; returns where the frame begins. */
  close(): number {
    const { bytes } = this;
    const elementCount = 1 + IO_STRIDE * this.requestCount;
    const kindAt = PREFIX_BYTES - 1;
    bytes[kindAt] = KIND_IO;
    let arrayAt = kindAt - 1;
    if (elementCount < 16) {
      bytes[arrayAt] = 0x90 | elementCount;
    } else {
      arrayAt = kindAt - 3;
      bytes[arrayAt] = 0xdc;
      bytes[arrayAt + 1] = elementCount >>> 8;
      bytes[arrayAt + 2] = elementCount;
    }
    write32(bytes, arrayAt - 4, this.end - arrayAt);
    return arrayAt - 4;
  }

  /** Begins anew. */
  clear(): void {
    this.end = PREFIX_BYTES;
    this.requestCount = 0;
  }
}

/** The 32 bits at `at`; missing bytes count as 0. */
function read32(bytes: Buffer, at: number): number {
  return (
    (bytes[at] ?? 0) * 0x100_0000 +
    (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
  );
}

/** Reads DONE messages. */
export class DoneReader {
  /** id, vixError, id, vixError, ... of the message that was read last. */
  readonly answers = new Float64Array(FRAME_REQUESTS_MAX * DONE_STRIDE);
  /** How many numbers of `answers` count. */
  count = 0;
  #at = 0;

  /** Reads the body [start, end). False: it is something else, or wrong. */
  read(bytes: Buffer, start: number, end: number): boolean {
    const first = bytes[start] ?? 0;
    let elementCount = first & 0x0f;
    this.#at = start + 1;
    if (first === 0xdc) {
      elementCount = ((bytes[start + 1] ?? 0) << 8) | (bytes[start + 2] ?? 0);
      this.#at = start + 3;
    } else if ((first & 0xf0) !== 0x90) {
      return false;
    }
    if (bytes[this.#at++] !== KIND_DONE) return false;
    this.count = elementCount - 1;
    if (this.count < DONE_STRIDE || this.count % DONE_STRIDE !== 0) return false;
    if (this.count > this.answers.length) return false;
    for (let index = 0; index < this.count; index++) {
      const value = this.#integer(bytes);
      // Beyond the end there are bytes of the next frame, or none.
      if (value < 0 || this.#at > end) return false;
      this.answers[index] = value;
    }
    return this.#at === end;
  }

  /** The integer that comes next; -1 for anything else. */
  #integer(bytes: Buffer): number {
    const at = this.#at;
    const type = bytes[at] ?? 0xff;
    if (type < 0x80) {
      this.#at = at + 1;
      return type;
    }
    switch (type) {
      case 0xcc:
        this.#at = at + 2;
        return bytes[at + 1] ?? -1;
      case 0xcd:
        this.#at = at + 3;
        return ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
      case 0xce:
        this.#at = at + 5;
        return read32(bytes, at + 1);
      case 0xcf:
      case 0xd3: {
        this.#at = at + 9;
        const high = read32(bytes, at + 1);
        return high < 0x20_0000 ? high * 0x1_0000_0000 + read32(bytes, at + 5) : -1;
      }
      default:
        return -1;
    }
  }
}
