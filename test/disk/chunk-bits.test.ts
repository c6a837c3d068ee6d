// Bits of chunks, against a plain set of numbers, around the borders of words and pages.
import fc from 'fast-check';
import t from 'tap';
import { CHUNKS_PER_STEP } from '../../src/base/limits.js';
import { ChunkBits } from '../../src/disk/chunk-bits.js';

/** Chunks near the border between two pages, and a little of what lies around it. */
const NEAR = CHUNKS_PER_STEP - 200;
const near = fc.nat(400).map((n) => NEAR + n);
const range = fc.tuple(near, near).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

t.test('any marks', (t) => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 8 }), range, (marks, [chunk, endChunk]) => {
      const bits = new ChunkBits();
      const model = new Set<number>();
      for (const [start, end] of marks) {
        bits.mark(start, end);
        for (let at = start; at < end; at++) model.add(at);
      }
      let end = chunk;
      while (end < endChunk && model.has(end) === model.has(chunk)) end++;
      return bits.has(chunk) === model.has(chunk) && bits.runEnd(chunk, endChunk) === end;
    }),
    { numRuns: 2000 },
  );
  t.end();
});

t.test('whole pages, full and empty', (t) => {
  const bits = new ChunkBits();
  const far = 4000 * CHUNKS_PER_STEP;
  t.equal(bits.runEnd(5, far), far, 'nothing is marked');
  bits.mark(CHUNKS_PER_STEP + 7, 5 * CHUNKS_PER_STEP + 3);
  t.equal(bits.runEnd(0, far), CHUNKS_PER_STEP + 7);
  t.equal(bits.runEnd(CHUNKS_PER_STEP + 7, far), 5 * CHUNKS_PER_STEP + 3);
  t.equal(bits.runEnd(3 * CHUNKS_PER_STEP, 4 * CHUNKS_PER_STEP), 4 * CHUNKS_PER_STEP);
  t.equal(bits.runEnd(5 * CHUNKS_PER_STEP + 3, far), far);
  bits.mark(3 * CHUNKS_PER_STEP + 1, 3 * CHUNKS_PER_STEP + 2);
  t.equal(bits.runEnd(CHUNKS_PER_STEP + 7, far), 5 * CHUNKS_PER_STEP + 3, 'full stays full');
  t.notOk(bits.has(6 * CHUNKS_PER_STEP), 'and is not shared with what is not');
  t.end();
});
