// Text that remembers bytes which are no UTF-8.
import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import t from 'tap';
import { bytesOf, hasRawBytes, textOf } from '../../src/base/raw-text.js';

/** Bytes among which whole characters, parts of them and others are all frequent. */
const bytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc.string({ unit: 'binary', maxLength: 4 }).map((text) => Buffer.from(text)),
      fc.constantFrom(Buffer.from('\ufffd'), Buffer.of(0xed, 0xb3, 0xbf), Buffer.of(0xf0, 0x9f)),
    ),
  )
  .map((parts) => Buffer.concat(parts));

t.test('all bytes come back, and UTF-8 is the text that it is', (t) => {
  fc.assert(
    fc.property(bytes, (given) => {
      const text = textOf(given);
      t.ok(bytesOf(text).equals(given));
      t.equal(hasRawBytes(text), !isUtf8(given));
      if (isUtf8(given)) t.equal(text, given.toString());
      const whole = text.replace(/[\p{Surrogate}\ufffd]/gu, '');
      t.equal(whole, given.toString().replaceAll('\ufffd', ''), 'all that is UTF-8 is kept');
    }),
  );
  t.end();
});
