// Suspects: who may be convicted, and that bad luck convicts nobody.
import t from 'tap';
import { ALONE_DEATHS, CONVICTION_DEATHS } from '../../src/base/limits.js';
import { type DeathFacts, Suspicion } from '../../src/supervisor/suspects.js';

const CRASH: DeathFacts = { alone: true, controlled: true, hungMs: undefined, atSector: 8 };

function after(deaths: number, facts: DeathFacts): Suspicion {
  const suspicion = new Suspicion();
  for (let i = 0; i < deaths; i++) suspicion.died(facts);
  return suspicion;
}

t.test('it runs alone after two deaths, however they came about', (t) => {
  const facts = { alone: false, controlled: false, hungMs: 1000, atSector: 8 };
  t.notOk(after(ALONE_DEATHS - 1, facts).runsAlone);
  t.ok(after(ALONE_DEATHS, facts).runsAlone);
  t.ok(Suspicion.known().runsAlone, 'and at once if its range is known to be bad');
  t.notOk(Suspicion.known().isConvicted);
  t.end();
});

t.test('it is convicted by its fourth death alone in a helper that had worked', (t) => {
  t.notOk(after(CONVICTION_DEATHS - 1, CRASH).isConvicted);
  t.ok(after(CONVICTION_DEATHS, CRASH).isConvicted);
  t.end();
});

for (const [what, facts] of [
  ['in company', { ...CRASH, alone: false }],
  ['in a helper that had not worked before', { ...CRASH, controlled: false }],
  ['by a hang that may be an outage', { ...CRASH, hungMs: 1000 }],
] as const) {
  t.test(`no number of deaths ${what} convicts`, (t) => {
    const suspicion = after(100, facts);
    t.notOk(suspicion.isConvicted);
    t.equal(suspicion.weight, 0);
    t.end();
  });
}

t.test('a hang counts once, when a read elsewhere has worked after it', (t) => {
  const suspicion = after(CONVICTION_DEATHS - 1, CRASH);
  suspicion.controlled(10);
  t.notOk(suspicion.isConvicted, 'there was no hang to prove');
  suspicion.died({ ...CRASH, hungMs: 1000 });
  t.notOk(suspicion.isConvicted);
  suspicion.controlled(10);
  t.ok(suspicion.isConvicted);

  const proven = after(1, { ...CRASH, hungMs: 1000 });
  for (let i = 0; i < 10; i++) proven.controlled(10);
  t.equal(proven.weight, 1, 'one proof for one hang');
  t.end();
});

t.test('a hang is proven by what comes next, not later', (t) => {
  const suspicion = after(1, { ...CRASH, hungMs: 1000 });
  suspicion.died({ ...CRASH, controlled: false });
  suspicion.controlled(10);
  t.equal(suspicion.weight, 0);
  t.end();
});

t.test(
  'a control read as slow as the suspect proves nothing: the library is slow everywhere',
  (t) => {
    const suspicion = after(1, { ...CRASH, hungMs: 1000 });
    suspicion.controlled(1000);
    t.equal(suspicion.weight, 0);
    suspicion.died({ ...CRASH, hungMs: 1000 });
    suspicion.controlled(999);
    t.equal(suspicion.weight, 1);
    t.end();
  },
);

t.test('deaths at different parts of one request convict none of them', (t) => {
  const suspicion = new Suspicion();
  for (let atSector = 0; atSector < 100; atSector++) suspicion.died({ ...CRASH, atSector });
  t.notOk(suspicion.isConvicted);
  for (let i = 1; i < CONVICTION_DEATHS; i++) suspicion.died({ ...CRASH, atSector: 99 });
  t.ok(suspicion.isConvicted);
  t.end();
});
