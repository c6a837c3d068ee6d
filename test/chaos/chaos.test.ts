// Chaos with real processes: the program, its helper, the fault engine, real clients, and kills at
// random. CHAOS_SEED is the first round's seed, CHAOS_MINUTES how long it goes on; a round that
// fails says how to repeat it.
import t from 'tap';
import { CLIENTS } from './clients.js';
import { planRound, runRound } from './chaos.js';
import { describe, type Figures } from './rehearsal.js';

const seed0 = Number(process.env['CHAOS_SEED'] || 1);
const minutes = Number(process.env['CHAOS_MINUTES'] || 0);

const total: Figures & { kills: number; rounds: number } = {
  ...{ replacedMs: [], replayed: 0, hung: 0, convicted: 0, kills: 0, rounds: 0 },
};

t.test('clients notice nothing', { timeout: 0 }, async (t) => {
  const endMs = Date.now() + minutes * 60_000;
  // Without a time: each client once.
  const goesOn = (): boolean => (minutes > 0 ? Date.now() < endMs : total.rounds < CLIENTS.length);
  for (let seed = seed0; goesOn(); seed++) {
    const round = planRound(seed);
    const what = `seed ${seed}: ${round.client.name}; ${round.rules.join('; ')}`;
    await t.test(what, { timeout: 0 }, async (t) => {
      const { wrong, figures, kills } = await runRound(t, round);
      t.comment(`${describe(figures)}, ${kills} kills from outside`);
      t.equal(wrong, undefined, `make chaos SEED=${seed} repeats it`);
      t.equal(figures.convicted, 0, 'no innocent is convicted');
      total.replacedMs.push(...figures.replacedMs);
      for (const name of ['replayed', 'hung', 'convicted'] as const) total[name] += figures[name];
      total.kills += kills;
      total.rounds++;
    });
  }
  t.ok(total.replacedMs.length > 0, 'helpers died');
  t.comment(`${total.rounds} rounds: ${describe(total)}, ${total.kills} kills from outside`);
});
