// What is said at the end about all deaths.
import t from 'tap';
import { Counters } from '../../src/supervisor/counters.js';

t.test('nothing, if nothing died', (t) => {
  t.equal(new Counters().summary(), undefined);
  t.end();
});

t.test('one line with all numbers', (t) => {
  const counters = new Counters();
  counters.died('crash');
  counters.died('crash');
  counters.died('hang');
  counters.died('error');
  counters.replaced(20, 5);
  counters.replaced(10, 6);
  t.equal(counters.deaths, 4);
  const line =
    '4 helpers replaced (2 crashed, 1 hung, 1 failed), ' +
    '11 requests replayed, longest replacement 20 ms';
  t.equal(counters.summary(), line);
  counters.convicted++;
  t.equal(counters.summary(), `${line}, 1 requests convicted`);
  t.end();
});
