// The data of options, from untrusted bytes to values (proto.md, "Option types"). Pure.
// The rule: what does not match exactly is undefined, and nothing is longer than what it came from.
import { NBD_STRING_BYTES_MAX } from '../base/limits.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A string of the protocol (proto.md, "Conventions"), or undefined if the bytes are none. */
export function decodeString(bytes: Buffer): string | undefined {
  if (bytes.length > NBD_STRING_BYTES_MAX || bytes.includes(0)) return undefined;
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The data of NBD_OPT_INFO and NBD_OPT_GO, or undefined if it is malformed. */
export function decodeInfo(data: Buffer): { name: string; asked: number[] } | undefined {
  if (data.length < 6) return undefined;
  const nameBytes = data.readUInt32BE(0);
  if (nameBytes > data.length - 6) return undefined;
  const name = decodeString(data.subarray(4, 4 + nameBytes));
  const list = data.subarray(4 + nameBytes);
  const count = list.readUInt16BE(0);
  if (name === undefined || list.length !== 2 + 2 * count) return undefined;
  return { name, asked: Array.from({ length: count }, (_, i) => list.readUInt16BE(2 + 2 * i)) };
}
