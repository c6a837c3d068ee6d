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

/** The data of NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT, or undefined likewise. */
export function decodeMetaContextQueries(
  data: Buffer,
): { name: string; queries: string[] } | undefined {
  const strings: string[] = [];
  let at = 0;
  const take = (): boolean => {
    if (data.length - at < 4) return false;
    const lengthBytes = data.readUInt32BE(at);
    at += 4;
    if (lengthBytes > data.length - at) return false;
    const text = decodeString(data.subarray(at, at + lengthBytes));
    at += lengthBytes;
    if (text !== undefined) strings.push(text);
    return text !== undefined;
  };
  if (!take() || data.length - at < 4) return undefined;
  const count = data.readUInt32BE(at);
  at += 4;
  // Each takes at least the 4 bytes of its length: a count that can't be true costs nothing.
  for (let i = 0; i < count; i++) if (!take()) return undefined;
  const [name = '', ...queries] = strings;
  return at === data.length ? { name, queries } : undefined;
}
