// Chance convicts nobody: a library that crashes at random, every 30 operations, until a thousand
// helpers have died of it. What was in flight at each of these deaths was innocent.
import t from 'tap';
import { simulate } from './simulation.js';

const DEATHS = 1000;
/** More than enough; each run has some hundred requests. */
const RUNS_MAX = 400;

t.test('a thousand random crashes convict nobody', { timeout: 0 }, async (t) => {
  let deaths = 0;
  let requests = 0;
  for (let seed = 1; deaths < DEATHS && seed <= RUNS_MAX; seed++) {
    const changes = { iosPerLife: 30, msPerLife: Infinity, outage: 0, depth: 16, clients: 4 };
    const outcome = await simulate({ seed, kind: 'any', changes });
    deaths += outcome.tally.deaths;
    requests += outcome.requests;
    if (outcome.convicted + outcome.errors > 0) t.fail(`seed ${seed} convicts somebody`);
  }
  t.comment(`${deaths} deaths, ${requests} requests`);
  t.ok(deaths >= DEATHS);
});
