// The simulation can fail: with one part of the program broken, or one promise of the host's
// withdrawn, it must find a violation soon. Each canary is a broken part that takes the place of
// the shipped one while its runs last.
import t, { type Test } from 'tap';
import { DiskExtents } from '../../src/disk/extents.js';
import { PutAside } from '../../src/disk/put-aside.js';
import { type CachedRange, ReadCache } from '../../src/disk/read-cache.js';
import { Journal } from '../../src/supervisor/journal.js';
import { RangeLock } from '../../src/supervisor/range-lock.js';
import type { Plan } from './plan.js';
import { simulate, SimulationFailure } from './simulation.js';

/** Runs until a violation; more than enough for each canary. */
const RUNS_MAX = 20;

/** What a violation may be: bytes, or an answer that never comes. Not a rule that only we know. */
const WRONG_BYTES = /^seed \d+, kind \w+: .*byte \d+: /;

/** Deaths, failed flushes, late writes, and nothing else that takes time. */
const HARSH: Partial<Plan> = {
  isVolatile: true,
  buffersWrites: true,
  lateMs: 100,
  iosPerLife: 20,
  msPerLife: Infinity,
  clients: 3,
  depth: 8,
  cellsMax: 5,
  cells: 30,
  thinkMs: 1,
  requests: 300,
  ioMs: [0.01, 5],
  flushMs: [0.1, 5],
  openMs: [0.5, 1],
  outage: 0,
  pause: 0,
  flushFailure: 0.05,
  readaheadBytesMax: 8 * 1024 * 1024,
  cacheBytesMax: Infinity,
  streakShare: 0.5,
  // The bytes themselves shall tell.
  checksOrder: false,
};

/** How many runs it took to find a violation; undefined: none was found. */
async function runsUntilFound(changes: Partial<Plan>): Promise<[number, string] | undefined> {
  for (let seed = 1; seed <= RUNS_MAX; seed++) {
    try {
      await simulate({ seed, kind: 'any', changes: { ...HARSH, ...changes } });
    } catch (thrown) {
      if (!(thrown instanceof SimulationFailure)) throw thrown;
      return [seed, thrown.message.split('\n')[0]!];
    }
  }
  return undefined;
}

type AnyFunction = (this: never, ...args: never[]) => unknown;

interface Canary {
  name: string;
  /** Methods of the shipped parts that are replaced: class, name, what comes instead. */
  broken?: [{ prototype: object }, string, (shipped: AnyFunction) => AnyFunction][];
  changes?: Partial<Plan>;
}

const canaries: Canary[] = [
  { name: 'the journal is off', changes: { buffersWrites: false, flushFailure: 0 } },
  {
    name: 'the range lock is off',
    broken: [
      [RangeLock, 'acquire', () => () => true],
      [RangeLock, 'release', () => () => undefined],
    ],
  },
  {
    name: 'a flush covers what has succeeded since its dispatch',
    broken: [[Journal, 'covered', withMark({ upToSequence: Infinity })]],
    changes: { flushOverlaps: true },
  },
  {
    name: 'a flush covers what a dead helper had',
    broken: [[Journal, 'covered', coversAll]],
  },
  {
    name: 'what was written and not flushed is called a hole',
    broken: [[DiskExtents, 'written', () => () => undefined]],
    // It shows where something is written, and asked about before anything is flushed.
    changes: {
      ...{ sizeBytes: 1024 * 1024, cellsMax: 2, iosPerLife: 500, flushFailure: 0 },
      ...{ extentsShare: 0.3, readShare: 0.3, flushShare: 0.002, fuaShare: 0 },
    },
  },
  {
    name: 'a write leaves the read cache as it is',
    broken: [[ReadCache, 'invalidate', () => () => undefined]],
  },
  {
    name: 'the read cache outlives helpers',
    broken: [[ReadCache, 'clear', () => () => undefined]],
  },
  {
    name: 'a read outlives a helper with what that had read of it',
    broken: [[PutAside, 'restore', () => () => undefined]],
    // It takes reads of several pieces.
    changes: { sizeBytes: 12 * 1024 * 1024, cellsMax: 10, requests: 60, readShare: 0.7 },
  },
  {
    name: 'a range that was read ahead is there before the library has read it',
    broken: [[ReadCache, 'add', addAsValid]],
  },
  {
    name: 'nothing fences a dead session',
    changes: { fences: false, holdsLock: false, lateMs: 3000 },
  },
];

/** Covers what is not its own: `changes` is what it takes for its mark. */
function withMark(changes: object): (shipped: AnyFunction) => AnyFunction {
  return (shipped) =>
    function (this: never, mark: object) {
      return shipped.call(this, { ...mark, ...changes } as never);
    };
}

/** Forgets the journal, whatever of it was flushed. */
function coversAll(): AnyFunction {
  return function (this: Journal) {
    this.forgetOldest(0, 0);
  };
}

/** Takes what is being read for what was read. */
function addAsValid(shipped: AnyFunction): AnyFunction {
  return function (this: never, range: CachedRange) {
    range.state = 'valid';
    return shipped.call(this, range as never);
  };
}

function replace(t: Test, canary: Canary): void {
  for (const [part, method, brokenOf] of canary.broken ?? []) {
    const prototype = part.prototype as Record<string, AnyFunction>;
    const shipped = prototype[method]!;
    prototype[method] = brokenOf(shipped);
    t.teardown(() => {
      prototype[method] = shipped;
    });
  }
}

t.test('with everything in its place there is nothing to find', async (t) => {
  t.equal(await runsUntilFound({}), undefined);
});

for (const canary of canaries) {
  t.test(`it is found that ${canary.name}`, async (t) => {
    replace(t, canary);
    const [runs, violation] = (await runsUntilFound(canary.changes ?? {})) ?? [];
    t.ok(runs, `in run ${runs}: ${violation}`);
    t.match(violation, WRONG_BYTES);
  });
}
