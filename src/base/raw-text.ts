// Text that remembers bytes which are no UTF-8, as file names and passwords may have: each becomes
// a lone surrogate, U+DC80 to U+DCFF, which no real text has. Pure.
// The rule: only bytesOf() turns such a text into bytes again; all others see that it is none.
import { isUtf8 } from 'node:buffer';

const ESCAPE = 0xdc00;

/** Whether `text` holds bytes that are no UTF-8. */
export function hasRawBytes(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

/** The text of `bytes`, whatever they are. */
export function textOf(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString();
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const character = [1, 2, 3, 4]
      .map((length) => bytes.subarray(at, at + length))
      .find((candidate) => isUtf8(candidate));
    text += character?.toString() ?? String.fromCharCode(ESCAPE + (bytes[at] ?? 0));
    at += character?.length ?? 1;
  }
  return text;
}

/** The bytes that textOf() made `text` of; of other text its UTF-8. */
export function bytesOf(text: string): Buffer {
  if (!hasRawBytes(text)) return Buffer.from(text);
  const bytesOfCharacter = (character: string): Buffer =>
    hasRawBytes(character) ? Buffer.of(character.charCodeAt(0) & 0xff) : Buffer.from(character);
  return Buffer.concat(Array.from(text, bytesOfCharacter));
}
