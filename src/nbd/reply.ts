// The 16-byte header of a simple reply (proto.md, "Simple reply message"), written into memory of
// the caller, so that replying allocates nothing.
import { NBD_SIMPLE_REPLY_MAGIC } from './constants.js';

/**
 * Writes a header at `at`. `error` is an NBD error value, 0 for success; the payload of a
 * successful read follows, which is the caller's part.
 */
export function writeSimpleReply(
  bytes: Buffer,
  at: number,
  error: number,
  cookieHigh: number,
  cookieLow: number,
): void {
  bytes.writeUInt32BE(NBD_SIMPLE_REPLY_MAGIC, at);
  bytes.writeUInt32BE(error, at + 4);
  bytes.writeUInt32BE(cookieHigh, at + 8);
  bytes.writeUInt32BE(cookieLow, at + 12);
}
