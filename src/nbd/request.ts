// The header of a request: 28 bytes, or 32 where extended headers were negotiated (proto.md,
// "Request message"). Parsed into a record that is used again for every request, so that parsing
// allocates nothing. No value is judged here, see validate.ts.
import {
  EXTENDED_REQUEST_HEADER_BYTES,
  NBD_CMD_FLAG_PAYLOAD_LEN,
  NBD_CMD_WRITE,
  REQUEST_HEADER_BYTES,
} from './constants.js';

/** One parsed header. The cookie stays two halves: it is opaque and only ever sent back. */
export class RequestHeader {
  magic = 0;
  commandFlags = 0;
  type = 0;
  cookieHigh = 0;
  cookieLow = 0;
  /** Extended replies say it again, whatever it is. */
  offsetHigh = 0;
  offsetLow = 0;
  /** Exact below 2^53; above, near enough to be seen as beyond the end of any disk. */
  offsetBytes = 0;
  /** Likewise, where it has 64 bits. */
  lengthBytes = 0;
  /** How many bytes of payload follow. */
  payloadBytes = 0;
}

/** What is the same in both forms: everything in front of the length. */
function parseStart(bytes: Buffer, at: number, header: RequestHeader): void {
  header.magic = bytes.readUInt32BE(at);
  header.commandFlags = bytes.readUInt16BE(at + 4);
  header.type = bytes.readUInt16BE(at + 6);
  header.cookieHigh = bytes.readUInt32BE(at + 8);
  header.cookieLow = bytes.readUInt32BE(at + 12);
  header.offsetHigh = bytes.readUInt32BE(at + 16);
  header.offsetLow = bytes.readUInt32BE(at + 20);
  header.offsetBytes = header.offsetHigh * 2 ** 32 + header.offsetLow;
}

/**
 * Parses the header at `at` into `header`.
 * `bytes` must hold REQUEST_HEADER_BYTES from there on (a RangeError otherwise: our own mistake).
 */
export function parseRequest(bytes: Buffer, at: number, header: RequestHeader): void {
  if (at + REQUEST_HEADER_BYTES > bytes.length) throw new RangeError('no whole request header');
  parseStart(bytes, at, header);
  header.lengthBytes = bytes.readUInt32BE(at + 24);
  header.payloadBytes = header.type === NBD_CMD_WRITE ? header.lengthBytes : 0;
}

/**
 * The same for an extended header, of EXTENDED_REQUEST_HEADER_BYTES. A write has a payload whether
 * or not its flag says so: clients that forget the flag (libnbd can be told to) send one.
 */
export function parseExtendedRequest(bytes: Buffer, at: number, header: RequestHeader): void {
  if (at + EXTENDED_REQUEST_HEADER_BYTES > bytes.length) {
    throw new RangeError('no whole extended request header');
  }
  parseStart(bytes, at, header);
  header.lengthBytes = bytes.readUInt32BE(at + 24) * 2 ** 32 + bytes.readUInt32BE(at + 28);
  const hasPayload =
    header.type === NBD_CMD_WRITE || (header.commandFlags & NBD_CMD_FLAG_PAYLOAD_LEN) !== 0;
  header.payloadBytes = hasPayload ? header.lengthBytes : 0;
}
