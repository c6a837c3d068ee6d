// Frames of the helper protocol: a 32-bit big-endian length, then one msgpack array
// (docs/helper-protocol.md, "Framing"). The only importer of msgpackr. The rule: a length is
// checked before a byte is kept or allocated for it.
import { Packr, RESERVE_START_SPACE } from 'msgpackr';
import { invariant, messageOf } from '../base/errors.js';
import { FRAME_FROM_HELPER_BYTES_MAX, FRAME_TO_HELPER_BYTES_MAX } from '../base/limits.js';

const LENGTH_BYTES = 4;

/** Below this msgpackr writes an integer as msgpack integer, from it on as float. */
const NUMBER_END = 2 ** 32;

/** No records, no extensions; integers above 2^53 are BigInt. `auto` is missing in its types. */
const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  int64AsType: 'auto' as 'bigint',
});

/** The helper sent bytes that break docs/helper-protocol.md. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtocolError';
  }
}

/** `value` (an integer of 0 to 2^53) as msgpackr must be given it. */
export function wireInteger(value: number): number | bigint {
  return value < NUMBER_END ? value : BigInt(value);
}

/**
 * One message to the helper as length and body in one Buffer, which is the caller's.
 * Integers must have gone through wireInteger(). Undefined becomes nil.
 */
export function encodeFrame(message: readonly unknown[]): Buffer {
  const frame = packr.pack(message, RESERVE_START_SPACE | LENGTH_BYTES);
  const bodyBytes = frame.length - LENGTH_BYTES;
  invariant(bodyBytes <= FRAME_TO_HELPER_BYTES_MAX, 'a frame to the helper fits its limit');
  frame.writeUInt32BE(bodyBytes, 0);
  return frame;
}

/** Where unpack() finds a body; one object, because frames are decoded one at a time. */
const span = { start: 0, end: 0 };

/** The value between two offsets. A Buffer in it is a view. Throws ProtocolError. */
function decodeBody(bytes: Buffer, start: number, end: number): unknown {
  span.start = start;
  span.end = end;
  try {
    return packr.unpack(bytes, span) as unknown;
  } catch (thrown) {
    throw new ProtocolError(`a frame is not one msgpack value: ${messageOf(thrown)}`);
  }
}

/** Who takes the messages of a helper. Both return false when no more is wanted. */
export interface MessageSink {
  /** The body [start, end) of `bytes` if it is one that msgpackr need not see; else undefined. */
  body(bytes: Buffer, start: number, end: number): boolean | undefined;
  message(body: unknown): boolean;
}

/** One frame, by the way that `sink` has for it. */
function deliver(bytes: Buffer, start: number, end: number, sink: MessageSink): boolean {
  return sink.body(bytes, start, end) ?? sink.message(decodeBody(bytes, start, end));
}

/** Cuts the byte stream from a helper into messages. */
export class FrameDecoder {
  readonly #header = Buffer.alloc(LENGTH_BYTES);
  #headerBytes = 0;
  /** The body that is arriving, once its length is known; it spans chunks. */
  #body: Buffer | undefined = undefined;
  #bodyBytes = 0;

  /** Whether the stream has stopped inside a frame. */
  get isInsideFrame(): boolean {
    return this.#headerBytes > 0 || this.#body !== undefined;
  }

  /**
   * Gives `sink` every frame that ends in the first `chunkBytes` of `chunk`, until it returns
   * false. Throws ProtocolError; the decoder is of no use then.
   */
  push(chunk: Buffer, chunkBytes: number, sink: MessageSink): void {
    let position = this.isInsideFrame ? this.#resume(chunk, chunkBytes, sink) : 0;
    while (chunkBytes - position >= LENGTH_BYTES) {
      const start = position + LENGTH_BYTES;
      const end = start + checkedLength(chunk.readUInt32BE(position));
      if (end > chunkBytes) break;
      if (!deliver(chunk, start, end, sink)) return;
      position = end;
    }
    if (position < chunkBytes) this.#keep(chunk, position, chunkBytes);
  }

  /** Completes the frame of earlier chunks. Returns where the next one begins in `chunk`. */
  #resume(chunk: Buffer, chunkBytes: number, sink: MessageSink): number {
    const position = this.#keep(chunk, 0, chunkBytes);
    const body = this.#body;
    if (body === undefined || this.#bodyBytes < body.length) return position;
    this.#body = undefined;
    return deliver(body, 0, body.length, sink) ? position : chunkBytes;
  }

  /** Copies what belongs to the frame begun at `position`. Returns where the copy ended. */
  #keep(chunk: Buffer, position: number, chunkBytes: number): number {
    if (this.#body === undefined) {
      const wanted = LENGTH_BYTES - this.#headerBytes;
      const end = Math.min(position + wanted, chunkBytes);
      const copied = chunk.copy(this.#header, this.#headerBytes, position, end);
      this.#headerBytes += copied;
      if (copied < wanted) return position + copied;
      this.#body = Buffer.allocUnsafe(checkedLength(this.#header.readUInt32BE(0)));
      this.#bodyBytes = 0;
      this.#headerBytes = 0;
      position += copied;
    }
    const copied = chunk.copy(this.#body, this.#bodyBytes, position, chunkBytes);
    this.#bodyBytes += copied;
    return position + copied;
  }
}

/** Throws ProtocolError unless a frame from the helper may be that long. */
function checkedLength(lengthBytes: number): number {
  if (lengthBytes > 0 && lengthBytes <= FRAME_FROM_HELPER_BYTES_MAX) return lengthBytes;
  throw new ProtocolError(`a frame of ${lengthBytes} bytes is announced`);
}
