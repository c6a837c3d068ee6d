// How limits fall and rise for a library that runs out of memory.
import t from 'tap';
import {
  HELPER_REQUESTS_MAX,
  MEMORY_GROW_COMPLETIONS,
  MEMORY_REQUEST_SECTORS_MIN,
} from '../../src/base/limits.js';
import { RequestLimits } from '../../src/supervisor/request-limits.js';

const SECTORS_MAX = 4096;

function succeed(limits: RequestLimits, times: number): void {
  for (let i = 0; i < times; i++) limits.succeeded();
}

t.test('a failure halves size and depth, from what there was', (t) => {
  const limits = new RequestLimits();
  t.notOk(limits.areLowered);
  t.ok(limits.failed(SECTORS_MAX, 16));
  t.match(limits, { depthMax: 8, requestSectorsMax: SECTORS_MAX / 2, areLowered: true });
  t.end();
});

t.test('what had been sent before the fall says nothing about it', (t) => {
  const limits = new RequestLimits();
  limits.failed(SECTORS_MAX, 16);
  for (let i = 15; i > 0; i--) t.notOk(limits.failed(SECTORS_MAX, i), 'one of the old 15');
  t.equal(limits.depthMax, 8);
  t.ok(limits.failed(SECTORS_MAX / 2, 8), 'a new one');
  t.equal(limits.depthMax, 4);
  limits.renewed();
  t.ok(limits.failed(SECTORS_MAX / 4, 4), 'in a new helper nothing is old');
  t.end();
});

t.test('they fall no further than one request of the smallest size', (t) => {
  const limits = new RequestLimits();
  for (let i = 0; i < 100; i++) {
    limits.renewed();
    limits.failed(limits.requestSectorsMax, limits.depthMax);
  }
  t.match(limits, { depthMax: 1, requestSectorsMax: MEMORY_REQUEST_SECTORS_MIN });
  t.ok(limits.isExhaustedBy(MEMORY_REQUEST_SECTORS_MIN, 1));
  t.notOk(limits.isExhaustedBy(MEMORY_REQUEST_SECTORS_MIN, 2));
  t.notOk(limits.isExhaustedBy(MEMORY_REQUEST_SECTORS_MIN + 1, 1));
  t.notOk(limits.failed(MEMORY_REQUEST_SECTORS_MIN, 1), 'and that is no fall');
  t.end();
});

t.test('they rise slowly: size first, all the way in the end, and never beyond', (t) => {
  const limits = new RequestLimits();
  limits.failed(SECTORS_MAX, 4);
  limits.renewed();
  succeed(limits, MEMORY_GROW_COMPLETIONS - 1);
  t.match(limits, { depthMax: 2, requestSectorsMax: SECTORS_MAX / 2 });
  limits.failed(SECTORS_MAX / 2, 2);
  limits.renewed();
  succeed(limits, MEMORY_GROW_COMPLETIONS - 1);
  t.equal(limits.requestSectorsMax, SECTORS_MAX / 4, 'a failure begins the count anew');
  succeed(limits, 1);
  t.match(limits, { depthMax: 1, requestSectorsMax: SECTORS_MAX / 2 });
  for (let i = 0; i < 200 && limits.areLowered; i++) succeed(limits, MEMORY_GROW_COMPLETIONS);
  t.match(limits, { depthMax: HELPER_REQUESTS_MAX, requestSectorsMax: SECTORS_MAX });
  t.notOk(limits.areLowered);
  t.end();
});

t.test('a library that was too slow gets less at once, of any size', (t) => {
  const limits = new RequestLimits();
  limits.hung(64);
  t.match(limits, { depthMax: 32, requestSectorsMax: SECTORS_MAX });
  limits.hung(1);
  t.equal(limits.depthMax, 1);
  t.end();
});
