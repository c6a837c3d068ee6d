// Lost ranges against a model that keeps one state per sector.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { LostRanges } from '../../src/supervisor/lost-ranges.js';

const SECTORS = 24;

type Step =
  /** Number `sequence` of the journal is lost, or found there. Old ones may be lost late. */
  | { do: 'lose' | 'write'; start: number; count: number; sequence: number }
  /** A flush that leaves every n-th write in the journal. */
  | { do: 'flush'; leaves: number };

const range = fc
  .record({ start: fc.nat(SECTORS - 1), count: fc.integer({ min: 1, max: SECTORS }) })
  .map(({ start, count }) => ({ start, count: Math.min(count, SECTORS - start) }));
const numbered = fc
  .tuple(range, fc.integer({ min: 1, max: 60 }))
  .map(([{ start, count }, sequence]) => ({ start, count, sequence }));
const step: fc.Arbitrary<Step> = fc.oneof(
  numbered.map((r) => ({ do: 'lose' as const, ...r })),
  numbered.map((r) => ({ do: 'write' as const, ...r })),
  fc.integer({ min: 1, max: 3 }).map((leaves) => ({ do: 'flush' as const, leaves })),
);

/** Of a sector: undefined, it is well; or the newest write that was lost, and the newest known. */
type Model = ({ lost: number; newest: number } | undefined)[];

function apply(lost: LostRanges, model: Model, action: Step): void {
  if (action.do === 'flush') {
    const stays = (number: number): boolean => number % action.leaves === 1;
    lost.flushed(stays);
    model.forEach((state, at) => {
      if (state && state.newest > state.lost && !stays(state.newest)) model[at] = undefined;
    });
    return;
  }
  const { start, count, sequence } = action;
  if (action.do === 'lose') lost.add({ startSector: start, nrSectors: count, sequence });
  else lost.covered(start, count, sequence);
  for (let at = start; at < start + count; at++) {
    const state = model[at];
    if (action.do === 'lose') {
      const [before, newest] = [state?.lost ?? 0, state?.newest ?? 0];
      model[at] = { lost: Math.max(before, sequence), newest: Math.max(newest, sequence) };
    } else if (state) {
      state.newest = Math.max(state.newest, sequence);
    }
  }
}

t.test('it knows of each sector whether it is lost, covered or well', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), range, (steps, { start, count }) => {
      const lost = new LostRanges();
      const model: Model = new Array<undefined>(SECTORS).fill(undefined);
      for (const action of steps) apply(lost, model, action);
      const listed = new Array<number>(SECTORS).fill(0);
      for (const { startSector, nrSectors } of lost.list()) {
        for (let at = startSector; at < startSector + nrSectors; at++) listed[at]!++;
      }
      const isLost = (state: Model[number]): boolean =>
        state !== undefined && state.newest === state.lost;
      assert.deepEqual(listed, model.map(isLost).map(Number), 'each lost sector is listed once');
      assert.equal(lost.touches(start, count), model.slice(start, start + count).some(isLost));
      // Flushes fail as long as anything is lost, or covered and not flushed.
      assert.equal(
        lost.isEmpty,
        model.every((state) => state === undefined),
      );
    }),
    { numRuns: 300 },
  );
  t.end();
});
