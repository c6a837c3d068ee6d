// Lines of a helper's output: any split gives the same lines, and none is longer than its limit.
import t from 'tap';
import fc from 'fast-check';
import { LineCutter } from '../../src/helper/line-cutter.js';

function linesOf(chunks: readonly string[], lineBytesMax: number): string[] {
  const lines: string[] = [];
  const cutter = new LineCutter(lineBytesMax, (line) => lines.push(line));
  for (const chunk of chunks) cutter.push(Buffer.from(chunk));
  cutter.end();
  return lines;
}

t.test('lines', async (t) => {
  t.same(linesOf(['a', 'b\nc\n\n', '\nd'], 10), ['ab', 'c', 'd']);
  t.same(linesOf(['123456', '789\nx'], 4), ['1234', 'x'], 'what is too long is cut');
  t.same(linesOf(['12345\n'], 5), ['12345']);
});

t.test('any split gives the same lines', async () => {
  const chunk = fc.string({ unit: fc.constantFrom('a', 'b', '\n') });
  fc.assert(
    fc.property(fc.array(chunk), fc.integer({ min: 1, max: 20 }), (chunks, lineBytesMax) => {
      const whole = chunks.join('').split('\n');
      const expected = whole.filter((line) => line !== '').map((l) => l.slice(0, lineBytesMax));
      return JSON.stringify(linesOf(chunks, lineBytesMax)) === JSON.stringify(expected);
    }),
  );
});
