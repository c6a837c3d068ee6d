// The receiving half of a connection: says where the next bytes shall land, and cuts what landed
// into request headers and payload. In the transmission phase the bytes of a payload land in the
// disk's memory directly, except those that came along with a header.
// The rule: bytes are moved inside the header buffer only when the next read is chosen, because
// the socket keeps the memory we chose even while it is paused.
import { invariant } from '../base/errors.js';
import { EXTENDED_REQUEST_HEADER_BYTES, REQUEST_HEADER_BYTES } from '../nbd/constants.js';
import { parseExtendedRequest, parseRequest, RequestHeader } from '../nbd/request.js';

/** A read between requests: as many small requests as a client may have under way. */
const HEADER_READ_BYTES = 64 * 1024;
/**
 * Room for the one read that follows a pause. We only resume with less than a header left over, so
 * no more than HEADER_READ_BYTES are ever here when a pause begins, and this always fits behind.
 */
const SPARE_READ_BYTES = 4 * 1024;
/**
 * After a write this long the next read is just a header, so that its payload need not be copied.
 */
const BULK_PAYLOAD_BYTES = 16 * 1024;

/** Who takes the bytes of the handshake. */
export interface HandshakeSink {
  /** Whether its next bytes must wait. */
  readonly stopped: boolean;
  /** Returns how many it took. At its end it calls expectRequests(). */
  handshake(bytes: Buffer): number;
}

/** Who acts on requests. */
export interface RequestSink {
  /** Whether the next header must wait. Looked at before each. */
  readonly stopped: boolean;
  /** A header. The record is used again for the next one. */
  request(header: RequestHeader): void;
  /** The payload asked for by intoPieces() or passOver() is complete. */
  payload(): void;
}

export class Receiver {
  readonly #negotiator: HandshakeSink;
  /** Undefined during the handshake. */
  #sink: RequestSink | undefined;
  #headerBytes = REQUEST_HEADER_BYTES;
  readonly #header = new RequestHeader();
  /** Bytes not yet looked at: #bytes[#start, #end). Our own buffer, or a chunk given to feed(). */
  #bytes: Buffer;
  #start = 0;
  #end = 0;
  #bulk = false;
  /** Payload still to come, and where it goes; no pieces: it is passed over. */
  #payloadBytes = 0;
  #pieces: readonly Buffer[] = [];
  #piece = 0;
  #pieceAt = 0;
  /** Whether the read that was chosen last lands in a piece. */
  #landsInPiece = false;
  /** Bytes received and payloads begun so far: measures of progress. */
  receivedBytes = 0;
  payloadCount = 0;

  /** `zeroCopy`: next() and landed() are used, else feed(). */
  constructor(negotiator: HandshakeSink, zeroCopy: boolean) {
    this.#negotiator = negotiator;
    this.#bytes = Buffer.allocUnsafeSlow(zeroCopy ? HEADER_READ_BYTES + SPARE_READ_BYTES : 0);
  }

  /** Whether what comes next, if it isn't payload, must wait. */
  get stopped(): boolean {
    return this.#sink === undefined ? this.#negotiator.stopped : this.#sink.stopped;
  }

  /** Whether there is use for more bytes now; if not, the socket must be paused. */
  get wantsBytes(): boolean {
    return this.#payloadBytes > 0 || !this.stopped;
  }

  /** Whether a payload is being received. */
  get inPayload(): boolean {
    return this.#payloadBytes > 0;
  }

  /** Where the next read shall land; never empty, also not while there is no use for bytes. */
  next(): Buffer {
    if (this.#start === this.#end) {
      this.#start = this.#end = 0;
      const piece = this.#pieces[this.#piece];
      if (this.#payloadBytes > 0 && piece !== undefined) {
        this.#landsInPiece = true;
        return this.#pieceAt === 0 ? piece : piece.subarray(this.#pieceAt);
      }
    }
    this.#landsInPiece = false;
    this.#bytes.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    if (!this.wantsBytes) {
      // Paused, with at most HEADER_READ_BYTES here: see SPARE_READ_BYTES.
      return this.#bytes.subarray(this.#end, this.#end + SPARE_READ_BYTES);
    }
    const upTo = this.#bulk && !this.inPayload ? this.#headerBytes : HEADER_READ_BYTES;
    return this.#bytes.subarray(this.#end, upTo);
  }

  /** `byteCount` bytes have landed where next() said. */
  landed(byteCount: number): void {
    this.receivedBytes += byteCount;
    if (this.#landsInPiece) {
      this.#advance(byteCount);
    } else {
      this.#end += byteCount;
    }
    this.process();
  }

  /** Bytes that came in memory of their own, for sockets that can't be told where to read to. */
  feed(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    const rest = this.#bytes.subarray(this.#start, this.#end);
    this.#bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    this.#start = 0;
    this.#end = this.#bytes.length;
    this.process();
  }

  /** Goes on with what is here: after bytes have landed, or when the sink is no longer stopped. */
  process(): void {
    while (this.#start < this.#end) {
      if (this.#payloadBytes > 0) {
        this.#takePayload();
      } else if (this.stopped) {
        return;
      } else if (this.#sink === undefined) {
        this.#start += this.#negotiator.handshake(this.#bytes.subarray(this.#start, this.#end));
      } else if (this.#end - this.#start >= this.#headerBytes) {
        if (this.#headerBytes === REQUEST_HEADER_BYTES) {
          parseRequest(this.#bytes, this.#start, this.#header);
        } else {
          parseExtendedRequest(this.#bytes, this.#start, this.#header);
        }
        this.#start += this.#headerBytes;
        this.#bulk = false;
        this.#sink.request(this.#header);
      } else {
        return;
      }
    }
  }

  /** What follows are requests, with extended headers or without. */
  expectRequests(sink: RequestSink, extended: boolean): void {
    this.#sink = sink;
    if (extended) this.#headerBytes = EXTENDED_REQUEST_HEADER_BYTES;
  }

  /** The next `payloadBytes` bytes fill `pieces`, which are together as long. */
  intoPieces(pieces: readonly Buffer[], payloadBytes: number): void {
    this.#expect(pieces, payloadBytes);
    this.#bulk = payloadBytes >= BULK_PAYLOAD_BYTES;
  }

  /** The next `payloadBytes` bytes are thrown away. */
  passOver(payloadBytes: number): void {
    this.#expect([], payloadBytes);
  }

  /** No more bytes are wanted: a payload that is not complete never will be. */
  stop(): void {
    this.#payloadBytes = 0;
    this.#pieces = [];
    this.#start = this.#end;
  }

  #expect(pieces: readonly Buffer[], payloadBytes: number): void {
    invariant(this.#payloadBytes === 0 && payloadBytes > 0, 'one payload after the other');
    this.payloadCount++;
    this.#payloadBytes = payloadBytes;
    this.#pieces = pieces;
    this.#piece = 0;
    this.#pieceAt = 0;
  }

  /** Payload that is in the header buffer: copied, or passed over. */
  #takePayload(): void {
    const piece = this.#pieces[this.#piece];
    let count = Math.min(this.#end - this.#start, this.#payloadBytes);
    if (piece !== undefined) {
      count = Math.min(count, piece.length - this.#pieceAt);
      this.#bytes.copy(piece, this.#pieceAt, this.#start, this.#start + count);
    }
    this.#start += count;
    this.#advance(count);
  }

  #advance(byteCount: number): void {
    this.#payloadBytes -= byteCount;
    this.#pieceAt += byteCount;
    if (this.#pieceAt === this.#pieces[this.#piece]?.length) {
      this.#piece++;
      this.#pieceAt = 0;
    }
    if (this.#payloadBytes > 0) return;
    this.#pieces = [];
    this.#sink?.payload();
  }
}
