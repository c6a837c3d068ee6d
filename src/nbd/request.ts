// The 28-byte request header (proto.md, "Request message"). Parsed into a record that is used
// again for every request, so that parsing allocates nothing. No value is judged here, see
// validate.ts.
import { REQUEST_HEADER_BYTES } from './constants.js';

/** One parsed header. The cookie stays two halves: it is opaque and only ever sent back. */
export class RequestHeader {
  magic = 0;
  commandFlags = 0;
  type = 0;
  cookieHigh = 0;
  cookieLow = 0;
  /** Exact below 2^53; above, near enough to be seen as beyond the end of any disk. */
  offsetBytes = 0;
  lengthBytes = 0;
}

/**
 * Parses the header at `at` into `header`.
 * `bytes` must hold REQUEST_HEADER_BYTES from there on (a RangeError otherwise: our own mistake).
 */
export function parseRequest(bytes: Buffer, at: number, header: RequestHeader): void {
  if (at + REQUEST_HEADER_BYTES > bytes.length) throw new RangeError('no whole request header');
  header.magic = bytes.readUInt32BE(at);
  header.commandFlags = bytes.readUInt16BE(at + 4);
  header.type = bytes.readUInt16BE(at + 6);
  header.cookieHigh = bytes.readUInt32BE(at + 8);
  header.cookieLow = bytes.readUInt32BE(at + 12);
  header.offsetBytes = bytes.readUInt32BE(at + 16) * 2 ** 32 + bytes.readUInt32BE(at + 20);
  header.lengthBytes = bytes.readUInt32BE(at + 24);
}
