// Replies (proto.md, "Simple reply message", "Structured reply chunk message", and their extended
// form), written into memory of the caller, so that replying allocates nothing. Payload of reads is
// the caller's part. Pure. Each function returns where the next byte goes.
import {
  EXTENDED_REPLY_BYTES,
  NBD_EXTENDED_REPLY_MAGIC,
  NBD_REPLY_FLAG_DONE,
  NBD_REPLY_TYPE_BLOCK_STATUS,
  NBD_REPLY_TYPE_BLOCK_STATUS_EXT,
  NBD_REPLY_TYPE_ERROR,
  NBD_REPLY_TYPE_ERROR_OFFSET,
  NBD_REPLY_TYPE_NONE,
  NBD_REPLY_TYPE_OFFSET_DATA,
  NBD_REPLY_TYPE_OFFSET_HOLE,
  NBD_SIMPLE_REPLY_MAGIC,
  NBD_STRUCTURED_REPLY_MAGIC,
  STRUCTURED_REPLY_BYTES,
} from './constants.js';

/** Longest text of an error chunk; the protocol allows 4096. */
export const ERROR_TEXT_BYTES_MAX = 1024;

/** Fixed part of the longest chunk without data: header, error, length of the text, offset. */
export const ERROR_CHUNK_BYTES_MAX = EXTENDED_REPLY_BYTES + 4 + 2 + ERROR_TEXT_BYTES_MAX + 8;

/** Of OFFSET_DATA, without the data, and of OFFSET_HOLE, in the longer form. */
export const CONTENT_CHUNK_BYTES_MAX = EXTENDED_REPLY_BYTES + 8 + 4;

/** What a reply repeats of its request. */
export interface Answered {
  readonly cookieHigh: number;
  readonly cookieLow: number;
  readonly offsetHigh: number;
  readonly offsetLow: number;
}

/**
 * Writes a header at `at`. `error` is an NBD error value, 0 for success; the payload of a
 * successful read follows.
 */
export function writeSimpleReply(
  bytes: Buffer,
  at: number,
  error: number,
  cookieHigh: number,
  cookieLow: number,
): number {
  bytes.writeUInt32BE(NBD_SIMPLE_REPLY_MAGIC, at);
  bytes.writeUInt32BE(error, at + 4);
  bytes.writeUInt32BE(cookieHigh, at + 8);
  return bytes.writeUInt32BE(cookieLow, at + 12);
}

/** Writes chunks in one of the two forms. */
export class ChunkWriter {
  readonly #extended: boolean;
  readonly headerBytes: number;

  constructor(extended: boolean) {
    this.#extended = extended;
    this.headerBytes = extended ? EXTENDED_REPLY_BYTES : STRUCTURED_REPLY_BYTES;
  }

  /** The reply to a success without payload: a lone chunk, or a simple reply where that may be. */
  writeSuccess(bytes: Buffer, at: number, request: Answered): number {
    return this.#extended
      ? this.#header(bytes, at, request, NBD_REPLY_TYPE_NONE, true, 0)
      : writeSimpleReply(bytes, at, 0, request.cookieHigh, request.cookieLow);
  }

  /** NBD_REPLY_TYPE_OFFSET_DATA; `dataBytes` of data follow. */
  writeOffsetData(
    bytes: Buffer,
    at: number,
    request: Answered,
    offsetBytes: number,
    dataBytes: number,
    isLast: boolean,
  ): number {
    const type = NBD_REPLY_TYPE_OFFSET_DATA;
    return write64(
      bytes,
      this.#header(bytes, at, request, type, isLast, 8 + dataBytes),
      offsetBytes,
    );
  }

  /** NBD_REPLY_TYPE_OFFSET_HOLE. */
  writeOffsetHole(
    bytes: Buffer,
    at: number,
    request: Answered,
    offsetBytes: number,
    holeBytes: number,
    isLast: boolean,
  ): number {
    const header = this.#header(bytes, at, request, NBD_REPLY_TYPE_OFFSET_HOLE, isLast, 12);
    return bytes.writeUInt32BE(holeBytes, write64(bytes, header, offsetBytes));
  }

  /** The only chunk of a failed request; `errorOffsetBytes` is -1 if it isn't known. */
  writeError(
    bytes: Buffer,
    at: number,
    request: Answered,
    error: number,
    text: string,
    errorOffsetBytes: number,
  ): number {
    const textAt = at + this.headerBytes + 6;
    const textBytes = bytes.write(text, textAt, ERROR_TEXT_BYTES_MAX, 'utf8');
    const hasOffset = errorOffsetBytes >= 0;
    const type = hasOffset ? NBD_REPLY_TYPE_ERROR_OFFSET : NBD_REPLY_TYPE_ERROR;
    const payloadBytes = 6 + textBytes + (hasOffset ? 8 : 0);
    const payloadAt = this.#header(bytes, at, request, type, true, payloadBytes);
    bytes.writeUInt32BE(error, payloadAt);
    bytes.writeUInt16BE(textBytes, payloadAt + 4);
    const end = textAt + textBytes;
    return hasOffset ? write64(bytes, end, errorOffsetBytes) : end;
  }

  /** How long writeBlockStatus() will be for so many extents. */
  blockStatusBytes(extentCount: number): number {
    return this.headerBytes + (this.#extended ? 8 + 16 * extentCount : 4 + 8 * extentCount);
  }

  /**
   * The reply to NBD_CMD_BLOCK_STATUS for one context. `extents` is length, NBD_STATE_* flags,
   * length, ...; lengths are below 2^32 unless headers are extended, where they are below 2^53.
   */
  writeBlockStatus(
    bytes: Buffer,
    at: number,
    request: Answered,
    contextId: number,
    extents: readonly number[],
  ): number {
    const count = extents.length / 2;
    const payloadBytes = this.blockStatusBytes(count) - this.headerBytes;
    const extended = this.#extended;
    const type = extended ? NBD_REPLY_TYPE_BLOCK_STATUS_EXT : NBD_REPLY_TYPE_BLOCK_STATUS;
    let next = this.#header(bytes, at, request, type, true, payloadBytes);
    next = bytes.writeUInt32BE(contextId, next);
    if (extended) next = bytes.writeUInt32BE(count, next);
    for (const value of extents) {
      next = extended ? write64(bytes, next, value) : bytes.writeUInt32BE(value, next);
    }
    return next;
  }

  #header(
    bytes: Buffer,
    at: number,
    request: Answered,
    type: number,
    isLast: boolean,
    payloadBytes: number,
  ): number {
    const magic = this.#extended ? NBD_EXTENDED_REPLY_MAGIC : NBD_STRUCTURED_REPLY_MAGIC;
    bytes.writeUInt32BE(magic, at);
    bytes.writeUInt16BE(isLast ? NBD_REPLY_FLAG_DONE : 0, at + 4);
    bytes.writeUInt16BE(type, at + 6);
    bytes.writeUInt32BE(request.cookieHigh, at + 8);
    const next = bytes.writeUInt32BE(request.cookieLow, at + 12);
    if (!this.#extended) return bytes.writeUInt32BE(payloadBytes, next);
    bytes.writeUInt32BE(request.offsetHigh, next);
    bytes.writeUInt32BE(request.offsetLow, next + 4);
    return write64(bytes, next + 8, payloadBytes);
  }
}

/** `value` is exact: below 2^53. */
function write64(bytes: Buffer, at: number, value: number): number {
  const high = Math.floor(value / 2 ** 32);
  bytes.writeUInt32BE(high, at);
  return bytes.writeUInt32BE(value - high * 2 ** 32, at + 4);
}
