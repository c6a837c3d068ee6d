// Lost ranges against a model that keeps one state per sector.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { LostRanges } from '../../src/supervisor/lost-ranges.js';

const SECTORS = 24;

type Step =
  | { do: 'lose' | 'write'; start: number; count: number }
  /** A flush that leaves every n-th write in the journal. */
  | { do: 'flush'; leaves: number };

const range = fc
  .record({ start: fc.nat(SECTORS - 1), count: fc.integer({ min: 1, max: SECTORS }) })
  .map(({ start, count }) => ({ start, count: Math.min(count, SECTORS - start) }));
const step: fc.Arbitrary<Step> = fc.oneof(
  range.map((r) => ({ do: 'lose' as const, ...r })),
  range.map((r) => ({ do: 'write' as const, ...r })),
  fc.integer({ min: 1, max: 3 }).map((leaves) => ({ do: 'flush' as const, leaves })),
);

/** Of a sector: well, lost, or covered by the write of that number. */
type Model = ('well' | 'lost' | number)[];

function apply(lost: LostRanges, model: Model, action: Step, sequence: number): void {
  if (action.do === 'flush') {
    const stays = (number: number): boolean => number % action.leaves === 1;
    lost.flushed(stays);
    model.forEach((state, at) => {
      if (typeof state === 'number' && !stays(state)) model[at] = 'well';
    });
    return;
  }
  const { start, count } = action;
  if (action.do === 'lose') lost.add({ startSector: start, nrSectors: count });
  else lost.covered(start, count, sequence);
  for (let at = start; at < start + count; at++) {
    if (action.do === 'lose') model[at] = 'lost';
    else if (model[at] !== 'well') model[at] = sequence;
  }
}

t.test('it knows of each sector whether it is lost, covered or well', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), range, (steps, { start, count }) => {
      const lost = new LostRanges();
      const model: Model = new Array<'well'>(SECTORS).fill('well');
      steps.forEach((action, sequence) => {
        apply(lost, model, action, sequence);
      });
      const listed = new Array<number>(SECTORS).fill(0);
      for (const { startSector, nrSectors } of lost.list()) {
        for (let at = startSector; at < startSector + nrSectors; at++) listed[at]!++;
      }
      const isLost = (state: Model[number]): boolean => state === 'lost';
      assert.deepEqual(listed, model.map(isLost).map(Number), 'each lost sector is listed once');
      assert.equal(lost.touches(start, count), model.slice(start, start + count).some(isLost));
      // Flushes fail as long as anything is lost, or covered and not flushed.
      assert.equal(
        lost.isEmpty,
        model.every((state) => state === 'well'),
      );
    }),
    { numRuns: 300 },
  );
  t.end();
});
