// Credit: what pays goes on, what doesn't is tried now and then.
import t from 'tap';
import { Credit } from '../../src/disk/credit.js';

const TERMS = { max: 10, cost: 2, gain: 1, trial: 4 };

t.test('what never pays is done a few times, and then one time in so many', (t) => {
  const credit = new Credit(TERMS);
  const done = Array.from({ length: 13 }, () => credit.spend());
  const now = [false, false, false, true];
  t.same(done, [true, true, true, true, true, ...now, ...now]);
  t.end();
});

t.test('what pays back goes on for ever, and saves no more than it may', (t) => {
  const credit = new Credit(TERMS);
  for (let i = 0; i < 100; i++) {
    t.ok(credit.spend());
    credit.gained();
    credit.gained();
  }
  for (let i = 0; i < 100; i++) credit.gained();
  t.equal(Array.from({ length: 8 }, () => credit.spend()).filter(Boolean).length, 5);
  t.end();
});

t.test('trials that pay bring it back', (t) => {
  const credit = new Credit(TERMS);
  while (credit.spend());
  for (let i = 0; i < 3; i++) credit.spend();
  credit.gained();
  credit.gained();
  t.ok(credit.spend());
  t.end();
});
