// Random workloads over helpers that end at every possible point, judged by a model of the bytes.
// From the environment: SIM_SEED (the first seed), SIM_RUNS or SIM_MINUTES (how many), SIM_KIND.
// A violation prints its seed and kind; the same two repeat the run exactly.
import t from 'tap';
import { type Kind, KINDS } from './plan.js';
import { type Outcome, simulate, SimulationFailure } from './simulation.js';

const seed0 = Number(process.env['SIM_SEED'] || 1);
const runs = Number(process.env['SIM_RUNS'] || 40);
const minutes = Number(process.env['SIM_MINUTES'] || 0);
const onlyKind = KINDS.find((kind) => kind === process.env['SIM_KIND']);

/** Most runs mix everything; each other kind has its turn. */
function kindOf(seed: number): Kind {
  if (onlyKind !== undefined) return onlyKind;
  return seed % 2 === 0 ? 'any' : KINDS[((seed - 1) / 2) % KINDS.length]!;
}

type Figures = Record<string, number>;

function add(figures: Figures, { tally, ...outcome }: Outcome): void {
  for (const [name, value] of [...Object.entries(tally), ...Object.entries(outcome)]) {
    if (typeof value === 'number') figures[name] = (figures[name] ?? 0) + value;
  }
}

t.test('no byte is wrong or lost, whatever dies', { timeout: 0 }, async (t) => {
  const figures: Figures = {};
  const startMs = Date.now();
  let count = 0;
  const goesOn = (): boolean =>
    minutes > 0 ? Date.now() < startMs + minutes * 60_000 : count < runs;
  t.comment(`the first seed is ${seed0}`);
  for (; goesOn(); count++) {
    const seed = seed0 + count;
    try {
      add(figures, await simulate({ seed, kind: kindOf(seed) }));
    } catch (thrown) {
      if (!(thrown instanceof SimulationFailure)) throw thrown;
      t.fail(`repeat it with make sim SEED=${seed} KIND=${kindOf(seed)}`);
      t.comment(thrown.message);
      break;
    }
  }
  const seconds = (Date.now() - startMs) / 1000;
  t.comment(`${count} runs in ${seconds.toFixed(0)} s:`, figures);
  t.equal(count > 0, true, 'it ran');
});

t.test('the same seed repeats the run', async (t) => {
  const [first, again, other] = [
    await simulate({ seed: seed0, kind: 'any' }),
    await simulate({ seed: seed0, kind: 'any' }),
    await simulate({ seed: seed0 + 1, kind: 'any' }),
  ];
  t.same(first, again);
  t.not(first.digest, other.digest);
});
