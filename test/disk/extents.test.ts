// What a disk says of its data and holes: whatever the library is asked, in whatever order, the
// answers fit what is allocated; and the library is asked as seldom as it should be.
import fc from 'fast-check';
import t from 'tap';
import { CHUNK_BYTES, CHUNKS_PER_STEP, SECTOR_BYTES } from '../../src/base/limits.js';
import { DiskRequest } from '../../src/disk/disk.js';
import { type BlocksQuestion, DiskExtents } from '../../src/disk/extents.js';
import { ManualClock, settle } from '../lib/sim-helper.js';

const STEP_BYTES = CHUNKS_PER_STEP * CHUNK_BYTES;
const CHUNK_SECTORS = CHUNK_BYTES / SECTOR_BYTES;
const STEP_SECTORS = CHUNKS_PER_STEP * CHUNK_SECTORS;
const [HOLE, HOLE_AND_ZERO] = [1, 3];

interface Settings {
  sizeBytes?: number;
  readOnly?: boolean;
  holeState?: number;
  /** Runs in sectors that are allocated: offset, length, ... */
  allocated?: number[];
  /** How long a question takes. */
  takesMs?: number;
  isBusy?: () => boolean;
}

/** Extents of a disk whose library keeps its rules: it throws when it is asked wrongly. */
class Fixture {
  readonly clock = new ManualClock();
  readonly questions: BlocksQuestion[] = [];
  readonly answered = new Set<DiskRequest>();
  readonly extents: DiskExtents;
  /** Undefined: the library can't say. */
  allocated: number[] | undefined;
  #asking = false;

  constructor(settings: Settings = {}) {
    const { sizeBytes = 3 * STEP_BYTES + 5 * CHUNK_BYTES + 513, takesMs = 0 } = settings;
    this.allocated = settings.allocated ?? [];
    this.extents = new DiskExtents({
      sizeBytes,
      readOnly: settings.readOnly ?? true,
      holeState: settings.holeState ?? HOLE_AND_ZERO,
      allocatedBlocks: async (question) => {
        const { chunkSectors, nrSectors, startSector } = question;
        const end = startSector + nrSectors;
        if (this.#asking) throw new Error('asked while it is being asked');
        if (chunkSectors !== 128 || startSector % 128 !== 0 || nrSectors % 128 !== 0) {
          throw new Error('not whole chunks');
        }
        if (nrSectors === 0 || nrSectors > STEP_SECTORS) throw new Error('too much, or nothing');
        if (end > Math.floor(sizeBytes / CHUNK_BYTES) * 128) throw new Error('beyond whole chunks');
        this.questions.push(question);
        this.#asking = true;
        await new Promise<void>((resolve) => this.clock.after(takesMs, resolve));
        this.#asking = false;
        return this.allocated && clipped(this.allocated, startSector, end);
      },
      isBusy: settings.isBusy ?? (() => false),
      answered: (request) => {
        if (this.answered.has(request)) throw new Error('answered twice');
        this.answered.add(request);
      },
      clock: this.clock,
    });
  }

  ask(offsetBytes: number, lengthBytes: number, extentsMax = 100): DiskRequest {
    const request = new DiskRequest();
    Object.assign(request, { op: 'extents', offsetBytes, lengthBytes, extentsMax });
    this.extents.ask(request);
    return request;
  }

  /** As ask(), and waits for the answer. */
  async list(offsetBytes: number, lengthBytes: number, extentsMax?: number): Promise<number[]> {
    const request = this.ask(offsetBytes, lengthBytes, extentsMax);
    for (let i = 0; i < 20 && !this.answered.has(request); i++) await this.clock.pass(1000);
    if (!this.answered.has(request)) throw new Error('never answered');
    return request.extents;
  }
}

/** The part of `runs` within [start, end). */
function clipped(runs: readonly number[], start: number, end: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < runs.length; i += 2) {
    const from = Math.max(runs[i] ?? 0, start);
    const to = Math.min((runs[i] ?? 0) + (runs[i + 1] ?? 0), end);
    if (from < to) found.push(from, to - from);
  }
  return found;
}

t.test('one question for each 32 GiB, whoever asks', async (t) => {
  const fixture = new Fixture({ allocated: [256, 128] });
  const [first, second] = [fixture.ask(0, 1 << 30), fixture.ask(1 << 20, 512, 1)];
  await fixture.clock.pass(0);
  t.same(first.extents, [1 << 17, HOLE_AND_ZERO, 1 << 16, 0, (1 << 30) - 3 * (1 << 16), 3]);
  t.same(second.extents, [512, HOLE_AND_ZERO]);
  const asked = fixture.questions.filter(({ startSector }) => startSector === 0);
  t.same(asked, [{ startSector: 0, nrSectors: STEP_SECTORS, chunkSectors: 128 }]);
});

t.test('the first answer does not wait for a scan of 64 TiB', async (t) => {
  const fixture = new Fixture({ sizeBytes: 2 ** 46, takesMs: 1000 });
  const request = fixture.ask(0, 2 ** 46);
  await fixture.clock.pass(1000);
  t.ok(fixture.answered.has(request));
  t.same(request.extents, [STEP_BYTES, HOLE_AND_ZERO], 'as far as is known');
  await fixture.clock.pass(100_000);
  t.ok(fixture.questions.length > 10, 'the rest is scanned behind it');
  const later = fixture.ask(0, 2 ** 46);
  t.ok(fixture.answered.has(later), 'and known at once');
  t.ok((later.extents[0] ?? 0) >= 10 * STEP_BYTES, 'neighbours are one extent');
});

t.test('the scan leaves as much time for I/O as it takes, and ends', async (t) => {
  const fixture = new Fixture({ takesMs: 1000 });
  fixture.ask(0, 512);
  await fixture.clock.pass(1999);
  t.equal(fixture.questions.length, 1);
  await fixture.clock.pass(2);
  t.equal(fixture.questions.length, 2);
  await fixture.clock.pass(60_000);
  t.same(
    fixture.questions.map(({ startSector }) => startSector),
    [0, 1, 2, 3].map((step) => step * STEP_SECTORS),
  );
  t.equal(fixture.questions.at(-1)?.nrSectors, 5 * CHUNK_SECTORS, 'whole chunks at the end');
  t.equal(fixture.clock.pendingTimers, 0);
});

t.test('a client that waits comes before the scan, and waits only for I/O', async (t) => {
  let isBusy = false;
  const fixture = new Fixture({ takesMs: 1000, isBusy: () => isBusy });
  fixture.ask(0, 512);
  await fixture.clock.pass(1000);
  const idle = fixture.ask(2 * STEP_BYTES, 512);
  await fixture.clock.pass(1000);
  t.ok(fixture.answered.has(idle), 'at once where nobody else is served');
  isBusy = true;
  const busy = fixture.ask(STEP_BYTES, 512);
  await fixture.clock.pass(1999);
  t.notOk(fixture.answered.has(busy));
  await fixture.clock.pass(2);
  t.ok(fixture.answered.has(busy));
});

t.test('the partial last chunk is data', async (t) => {
  const sizeBytes = 4 * CHUNK_BYTES + 3 * SECTOR_BYTES;
  for (const readOnly of [true, false]) {
    const fixture = new Fixture({ sizeBytes, readOnly, allocated: [0, 3 * 128] });
    const expected = [3 * CHUNK_BYTES, 0, CHUNK_BYTES, HOLE_AND_ZERO, 3 * SECTOR_BYTES, 0];
    t.same(await fixture.list(0, sizeBytes), expected);
    t.same(await fixture.list(sizeBytes - 1, 1), [1, 0]);
    t.equal(fixture.questions.length, 1, 'nothing is asked about it');
  }
  const tiny = new Fixture({ sizeBytes: CHUNK_BYTES - 512 });
  t.same(await tiny.list(0, 512), [512, 0]);
  t.equal(tiny.questions.length, 0);
});

t.test('a library that can not say: all is data, and nothing more is asked', async (t) => {
  for (const readOnly of [true, false]) {
    const fixture = new Fixture({ readOnly });
    fixture.allocated = undefined;
    t.same(await fixture.list(5, 2 ** 36), [2 ** 36, 0]);
    t.same(await fixture.list(2 ** 36, 512), [512, 0]);
    t.equal(fixture.questions.length, 1);
  }
  const never = new Fixture({ holeState: 0 });
  t.same(await never.list(5, 2 ** 36), [2 ** 36, 0]);
  t.equal(never.questions.length, 0);
});

t.test('a question that fails later: only its range is data', async (t) => {
  const fixture = new Fixture({ takesMs: 10 });
  fixture.ask(0, 512);
  await fixture.clock.pass(10);
  fixture.allocated = undefined;
  t.same(await fixture.list(2 * STEP_BYTES, 512), [512, 0]);
  t.same(await fixture.list(0, 512), [512, HOLE_AND_ZERO]);
});

t.test('a single link: holes of unknown content', async (t) => {
  const fixture = new Fixture({ holeState: HOLE });
  t.same(await fixture.list(0, 512), [512, HOLE]);
  const read = Object.assign(new DiskRequest(), { lengthBytes: 512, extentsMax: 9 });
  t.notOk(fixture.extents.describe(read));
  t.same(read.extents, [], 'a read of it has to read');
});

t.test('reads that take holes', async (t) => {
  const fixture = new Fixture({ allocated: [128, 128] });
  const describe = (offsetBytes: number, lengthBytes: number, extentsMax = 9) => {
    const request = Object.assign(new DiskRequest(), { offsetBytes, lengthBytes, extentsMax });
    return [fixture.extents.describe(request), request.extents];
  };
  t.same(describe(0, 512), [false, []], 'nothing is known yet');
  await fixture.list(0, 512);
  t.same(describe(0, 512), [true, [512, 3]], 'nothing to read');
  t.same(describe(0, 100_000), [false, [65_536, 3, 34_464, 0]]);
  t.same(describe(CHUNK_BYTES, CHUNK_BYTES), [false, []], 'data');
  t.same(describe(0, 3 * CHUNK_BYTES, 2), [false, []], 'more than it takes');
  const writable = new Fixture({ readOnly: false });
  await writable.list(0, 512);
  const read = Object.assign(new DiskRequest(), { lengthBytes: 512, extentsMax: 9 });
  t.notOk(writable.extents.describe(read), 'nothing is kept of a writable disk');
});

t.test('what is written is data, also while the library is asked', async (t) => {
  const fixture = new Fixture({ readOnly: false, takesMs: 100 });
  const request = fixture.ask(0, 10 * CHUNK_BYTES);
  await fixture.clock.pass(50);
  fixture.extents.written(2 * CHUNK_SECTORS + 5, 2 * CHUNK_SECTORS + 6);
  await fixture.clock.pass(50);
  const [before, rest] = [2 * CHUNK_BYTES, 7 * CHUNK_BYTES];
  t.same(request.extents, [before, 3, CHUNK_BYTES, 0, rest, 3]);
  fixture.allocated = [3 * CHUNK_SECTORS, CHUNK_SECTORS];
  const again = await fixture.list(0, 10 * CHUNK_BYTES);
  t.same(again, [before, 3, 2 * CHUNK_BYTES, 0, rest - CHUNK_BYTES, 3], 'asked anew');
  t.equal(fixture.questions.length, 2);
});

t.test('the end: who waits is answered', async (t) => {
  const fixture = new Fixture({ takesMs: 1000 });
  const [first, second] = [fixture.ask(0, 512), fixture.ask(STEP_BYTES, 512)];
  fixture.extents.stop();
  t.same([first.extents, second.extents], [[512, 0], [512, 0]]); // prettier-ignore
  await fixture.clock.pass(10_000);
  t.equal(fixture.questions.length, 1);
  t.equal(fixture.clock.pendingTimers, 0);
});

t.test('any questions of clients fit a model', async () => {
  const chunks = 40;
  const sizeBytes = STEP_BYTES + chunks * CHUNK_BYTES + 777;
  // Around the border of two steps, where a disk of this size ends a little later.
  const base = STEP_BYTES - chunks * CHUNK_BYTES;
  const spanBytes = sizeBytes - base;
  const action = fc.oneof(
    fc.record({
      kind: fc.constant('ask' as const),
      at: fc.nat(spanBytes - 1),
      length: fc.oneof(fc.nat(4 * CHUNK_BYTES), fc.nat(spanBytes)),
      max: fc.integer({ min: 1, max: 6 }),
    }),
    fc.record({
      kind: fc.constant('write' as const),
      at: fc.nat(2 * chunks * CHUNK_SECTORS),
      length: fc.integer({ min: 1, max: 300 }),
    }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(300) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(fc.boolean(), { minLength: 2 * chunks, maxLength: 2 * chunks }),
      fc.array(action, { maxLength: 30 }),
      async (readOnly, data, actions) => {
        const baseSector = base / SECTOR_BYTES;
        const allocated = data.flatMap((isData, i) =>
          isData ? [baseSector + i * CHUNK_SECTORS, CHUNK_SECTORS] : [],
        );
        const fixture = new Fixture({ sizeBytes, readOnly, allocated, takesMs: 100 });
        const model = [...data];
        const requests: DiskRequest[] = [];
        for (const step of actions) {
          if (step.kind === 'pass') {
            await fixture.clock.pass(step.ms);
          } else if (step.kind === 'ask') {
            const length = Math.min(Math.max(step.length, 1), spanBytes - step.at);
            requests.push(fixture.ask(base + step.at, length, step.max));
          } else if (!readOnly) {
            fixture.extents.written(baseSector + step.at, baseSector + step.at + step.length);
            for (let sector = step.at; sector < step.at + step.length; sector++) {
              const chunk = Math.floor(sector / CHUNK_SECTORS);
              if (chunk < model.length) model[chunk] = true;
            }
          }
        }
        await fixture.clock.pass(60_000);
        await settle();
        return requests.every(
          (request) => fixture.answered.has(request) && fits(request, base, data, model),
        );
      },
    ),
    { numRuns: 200 },
  );
});

/**
 * Whether the extents of `request` say what was allocated at some time while it waited: `data` at
 * first, `final` at the end, more and more in between.
 */
function fits(request: DiskRequest, base: number, data: boolean[], final: boolean[]): boolean {
  const { extents, extentsMax, lengthBytes, offsetBytes } = request;
  if (extents.length === 0 || extents.length > 2 * extentsMax) return false;
  let at = offsetBytes - base;
  for (let i = 0; i < extents.length; i += 2) {
    const [length = 0, state = 0] = extents.slice(i, i + 2);
    if (length <= 0 || (i > 0 && extents[i - 1] === state)) return false;
    for (let byte = at; byte < at + length; byte += 512) {
      const chunk = Math.floor(byte / CHUNK_BYTES);
      // Behind the last whole chunk all is data.
      const mayBeHole = data[chunk] === false;
      const mayBeData = final[chunk] ?? true;
      if (state === 0 ? !mayBeData : !mayBeHole) return false;
    }
    at += length;
  }
  return at + base <= offsetBytes + lengthBytes;
}
