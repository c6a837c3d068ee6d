// Rules of death and replay that take a whole supervisor to be seen: who opens when, who is tried
// alone, what is lost and for how long, how often a login is asked for.
import t from 'tap';
import {
  ALONE_DEATHS,
  CALL_TIMEOUT_FACTOR,
  CONVICTION_DEATHS,
  JOURNAL_ENTRIES_MAX,
  JOURNAL_IDLE_FLUSH_MS,
  LOGIN_PAUSE_MS,
  LOGIN_REJECTIONS_MAX,
  LOGIN_RETRY_MS,
  QUARANTINE_MS,
  RECOVERY_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
  RESTART_BACKOFF_MIN_MS,
  SECTOR_BYTES,
  SPARE_DELAY_MS,
  START_TIMEOUT_MS_MIN,
} from '../../src/base/limits.js';
import { IO_OPS } from '../../src/helper/protocol.js';
import { Logins } from '../../src/supervisor/logins.js';
import type { SimHelper, SimOptions } from '../lib/sim-helper.js';
import { settle } from '../lib/sim-helper.js';
import {
  JOURNAL_BYTES_MAX,
  SCRATCH_OFFSET_BYTES,
  setUpSupervisor,
  TestIo,
} from '../lib/sim-supervisor.js';

const LOGIN_REJECTED = 35;
/** An error that no session can cure. */
const DISK_FULL = 8;

const { READ, WRITE, FLUSH } = IO_OPS;
const QUESTION = { startSector: 0, nrSectors: 128, chunkSectors: 128 };

/** What a helper has in flight, in words: `control` for a control read. */
function inFlight({ inFlight }: SimHelper): string[] {
  return inFlight.map(({ op, startSector, arenaOffset }) => {
    if (op === FLUSH) return 'flush';
    if (op === READ && arenaOffset === SCRATCH_OFFSET_BYTES) return 'control';
    return `${op === READ ? 'read' : 'write'} ${startSector}`;
  });
}

t.test('a death takes the spare, and makes the next one', async (t) => {
  const { supervisor, helpers, clock, lines } = setUpSupervisor({ spare: true });
  await supervisor.open();
  await clock.pass(SPARE_DELAY_MS);
  t.same(helpers[1]?.calls, ['HELLO'], 'it has opened nothing');
  const io = new TestIo(1);
  supervisor.io(io);
  helpers[0]?.die('was killed by SIGSEGV');
  await clock.pass(0);
  t.same(helpers[1]?.calls, ['HELLO', 'CONNECT', 'OPEN', 'INFO']);
  t.same(inFlight(helpers[1]!), ['read 1']);
  t.match(lines.join(''), /replaced after 0 ms by the spare/);
  await clock.pass(0);
  t.same(helpers[2]?.calls, ['HELLO'], 'at once, for the next death');
  await supervisor.close();
  t.ok(helpers[2]?.killedFor, 'and it does not outlive the disk');
});

t.test('no helper opens the disk before the old one is gone', async (t) => {
  const { supervisor, helpers, clock } = setUpSupervisor({
    plan: (n) => (n === 0 ? { ignore: ['PING'], lingers: true } : {}),
    spare: true,
  });
  await supervisor.open();
  const io = new TestIo(1);
  supervisor.io(io);
  await clock.pass(RECOVERY_TIMEOUT_MS / 2);
  t.match(helpers[0]?.killedFor, /no heartbeat/);
  t.same(helpers[1]?.calls.includes('OPEN'), false, 'the verdict is not the end');
  helpers[0]?.die('at last', 'SIGKILL');
  await clock.pass(0);
  t.same(inFlight(helpers[1]!), ['read 1']);
  helpers[1]?.answer();
  t.same(io.results, [0]);
  await supervisor.close();
});

t.test('nor before one is gone that could not open it', async (t) => {
  const { supervisor, helpers, clock } = setUpSupervisor({
    plan: (n) => (n === 1 ? { refuse: { OPEN: DISK_FULL }, lingers: true } : {}),
  });
  await supervisor.open();
  supervisor.io(new TestIo(1));
  helpers[0]?.die('gone');
  await clock.pass(RECOVERY_TIMEOUT_MS / 2);
  t.ok(helpers[1]?.killedFor);
  t.equal(helpers.length, 2);
  helpers[1]?.die('at last', 'SIGKILL');
  await clock.pass(RESTART_BACKOFF_MIN_MS);
  t.same(inFlight(helpers[2]!), ['read 1']);
  await supervisor.close();
});

t.test('a library that is slow to open gets ever more time, and less again', async (t) => {
  const slow = { ignore: ['OPEN' as const] };
  const { supervisor, helpers, clock } = setUpSupervisor({
    plan: (n) => (n === 1 || n === 4 ? slow : {}),
  });
  const callMs = CALL_TIMEOUT_FACTOR * REQUEST_TIMEOUT_MS;
  await supervisor.open();
  helpers[0]?.die('gone');
  await clock.pass(callMs + 100);
  t.match(helpers[1]?.killedFor, /no answer to OPEN within 250 s/);
  supervisor.io(new TestIo(1));
  // What hangs now is given twice the time.
  helpers[2]!.pong = { inCallMs: 0, call: '', oldestIoMs: REQUEST_TIMEOUT_MS + 1, oldestIo: 1 };
  await clock.pass(10_000);
  t.equal(helpers[2]?.killedFor, undefined);
  helpers[2]!.pong = { ...helpers[2]!.pong, oldestIoMs: 2 * REQUEST_TIMEOUT_MS + 1 };
  await clock.pass(100_000);
  t.match(helpers[2]?.killedFor, /has hung in request 1/);
  supervisor.io(new TestIo(2));
  helpers[3]?.answer(0, 1);
  helpers[3]?.die('gone');
  await clock.pass(callMs + 1000);
  t.match(helpers[4]?.killedFor, /within 250 s/, 'a completed request has brought it back');
  await supervisor.close();
});

t.test('a short request timeout leaves a helper the time to start', async (t) => {
  const { supervisor, helpers, clock } = setUpSupervisor({
    plan: () => ({ ignore: ['HELLO'] }),
    requestTimeoutMs: 100,
  });
  const opening = t.rejects(supervisor.open(), /no answer to HELLO within 20 s/);
  await clock.pass(START_TIMEOUT_MS_MIN - 1);
  t.equal(helpers[0]?.killedFor, undefined);
  await clock.pass(1);
  await opening;
});

t.test('a rejected login: three times, ten seconds apart, then a minute of peace', async (t) => {
  const { supervisor, helpers, clock, lines } = setUpSupervisor({
    plan: (n) => (n > 0 ? { refuse: { CONNECT: LOGIN_REJECTED } } : {}),
  });
  await supervisor.open();
  const io = new TestIo(1);
  supervisor.io(io);
  helpers[0]?.die('gone');
  await clock.pass(0);
  for (let n = 1; n < LOGIN_REJECTIONS_MAX; n++) {
    await clock.pass(LOGIN_RETRY_MS - 1);
    t.equal(helpers.length, n + 1);
    t.same(io.results, []);
    await clock.pass(1);
  }
  t.same(io.results, [1], 'long before the recovery timeout');
  const asked = helpers.length;
  for (let n = 0; n < 20; n++) {
    const soon = new TestIo(1);
    supervisor.io(soon);
    await clock.pass(1000);
    t.same(soon.results, [1]);
  }
  t.equal(helpers.length, asked, 'nobody asks');
  t.equal(lines.filter((line) => line.includes('requests fail')).length, 1, 'nor is it said again');
  await clock.pass(LOGIN_PAUSE_MS);
  supervisor.io(new TestIo(1));
  await clock.pass(1000);
  t.equal(helpers.length, asked + 1, 'then once');
  await supervisor.close();
});

/** Disks that log in with one account, one request in each, whose helpers have just died. */
async function disksOfOneAccount(count: number, planAfter: () => SimOptions) {
  const logins = new Logins();
  const plan = (n: number): SimOptions => (n === 0 ? {} : planAfter());
  const disks = Array.from({ length: count }, () => setUpSupervisor({ logins, plan }));
  for (const { supervisor } of disks) await supervisor.open();
  const ios = disks.map(({ supervisor, helpers }) => {
    const io = new TestIo(1);
    supervisor.io(io);
    helpers[0]?.die('the host restarts');
    return io;
  });
  const logIns = (): number => disks.reduce((sum, { helpers }) => sum + helpers.length - 1, 0);
  /** One clock for each disk, as far as each has gone, in steps of `stepMs`. */
  const pass = async (ms: number, stepMs: number): Promise<void> => {
    for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
      for (const { clock } of disks) await clock.pass(stepMs);
    }
  };
  for (const { clock } of disks) await clock.pass(0);
  return { disks, ios, logIns, pass };
}

t.test('disks with one account ask for it in turns', async (t) => {
  let isRejected = true;
  const { disks, ios, logIns, pass } = await disksOfOneAccount(10, () =>
    isRejected ? { refuse: { CONNECT: LOGIN_REJECTED } } : {},
  );
  t.equal(logIns(), 1, 'one is enough to know');
  await pass(LOGIN_RETRY_MS + 10, 10);
  t.equal(logIns(), 2, 'after ten seconds one of them tries');
  t.ok(ios.every(({ results }) => results.length === 0));
  isRejected = false;
  await pass(3 * LOGIN_RETRY_MS, 100);
  t.ok(disks.every((disk) => disk.last().inFlight.length === 1));
  for (const { supervisor } of disks) await supervisor.close();
});

t.test('the others wait also while the host takes its time to answer the one', async (t) => {
  let isSlow = false;
  const { disks, logIns, pass } = await disksOfOneAccount(3, () =>
    isSlow ? { ignore: ['CONNECT'] } : { refuse: { CONNECT: LOGIN_REJECTED } },
  );
  isSlow = true;
  await pass(LOGIN_RETRY_MS + 1000, 100);
  t.equal(logIns(), 2);
  for (const { supervisor } of disks) await supervisor.close();
});

t.test('suspects: together, then alone, then convicted, and nobody asks again', async (t) => {
  const { supervisor, last, clock, lines, quarantine } = setUpSupervisor();
  await supervisor.open();
  const [good, bad] = [new TestIo(8), new TestIo(16)];
  for (const io of [good, bad]) supervisor.io(io);
  for (let deaths = 1; deaths < ALONE_DEATHS; deaths++) {
    last().die('was killed by SIGSEGV');
    await clock.pass(20_000);
    t.same(inFlight(last()), ['read 8', 'read 16'], 'together');
  }
  last().die('was killed by SIGSEGV');
  await clock.pass(20_000);
  t.same(inFlight(last()), ['control'], 'does it work at all?');
  last().answer();
  t.same(inFlight(last()), ['read 8'], 'alone');
  const later = new TestIo(24);
  supervisor.io(later);
  t.same(inFlight(last()), ['read 8'], 'nothing else meanwhile');
  last().answer();
  t.same(good.results, [0]);
  for (let deaths = 0; deaths < CONVICTION_DEATHS; deaths++) {
    t.same(bad.results, []);
    if (deaths > 0) last().answer();
    t.same(inFlight(last()), ['read 16']);
    last().die('was killed by SIGSEGV');
    await clock.pass(20_000);
  }
  t.same(bad.results, [1]);
  t.match(lines.join(''), /the library dies of it: a read of 512 bytes at offset 8192/);
  t.same(inFlight(last()), ['read 24']);
  t.notOk(quarantine.isEmpty);
  const again = new TestIo(16);
  supervisor.io(again);
  await settle();
  t.same(again.results, [1], 'at once');
  t.same(inFlight(last()), ['read 24']);
  await supervisor.close();
});

t.test('what came when the helper was gone is no suspect of its death', async (t) => {
  const { supervisor, last, clock } = setUpSupervisor();
  await supervisor.open();
  const late: TestIo[] = [];
  for (let deaths = 0; deaths < ALONE_DEATHS; deaths++) {
    last().die('was killed by SIGSEGV');
    const io = new TestIo(8 * deaths);
    late.push(io);
    supervisor.io(io);
    await clock.pass(20_000);
    t.same(inFlight(last()), ['read 0', 'read 8'].slice(0, deaths + 1), 'in its turn');
  }
  last().die('was killed by SIGSEGV');
  await clock.pass(20_000);
  t.same(inFlight(last()), ['control'], 'the first was in flight at two deaths');
  last().answer();
  last().answer();
  t.same(
    late.map(({ results }) => results.length),
    [1, 0],
  );
  t.same(inFlight(last()), ['read 8'], 'the second at one');
  t.equal(late[1]?.suspicion?.runsAlone, false);
  await supervisor.close();
});

t.test('deaths before anything worked convict nobody', async (t) => {
  const { supervisor, last, clock } = setUpSupervisor();
  await supervisor.open();
  const io = new TestIo(8);
  supervisor.io(io);
  for (let deaths = 0; deaths < 10 * CONVICTION_DEATHS; deaths++) {
    // Control reads die, too.
    last().die('was killed by SIGSEGV');
    await clock.pass(10_000);
  }
  t.same(io.results, []);
  last().answer();
  last().answer();
  t.same(io.results, [0]);
  await supervisor.close();
});

t.test('QueryAllocatedBlocks that kills is switched off, and fails nobody', async (t) => {
  const { supervisor, helpers, last, clock, lines, quarantine } = setUpSupervisor({
    plan: () => ({ ignore: ['ALLOCATED_BLOCKS'] }),
  });
  await supervisor.open();
  const answers: unknown[] = [];
  void supervisor.allocatedBlocks(QUESTION).then((blocks) => answers.push(blocks));
  await settle();
  const io = new TestIo(8);
  supervisor.io(io);
  for (let deaths = 0; deaths < ALONE_DEATHS + CONVICTION_DEATHS; deaths++) {
    t.same(answers, []);
    last().die('was killed by SIGSEGV');
    await clock.pass(20_000);
    while (last().inFlight.length > 0) last().answer();
    await settle();
  }
  t.same(io.results, [0], 'it ran in between');
  t.same(answers, [undefined], 'nothing is known, so all is data');
  t.match(lines.join(''), /the library dies of it: QueryAllocatedBlocks fails/);
  t.ok(quarantine.isEmpty, 'no sector is to blame');
  const asked = (): number =>
    helpers.reduce((sum, { calls }) => sum + calls.filter(isQuery).length, 0);
  const isQuery = (call: string): boolean => call === 'ALLOCATED_BLOCKS';
  const before = asked();
  await clock.pass(2 * QUARANTINE_MS);
  void supervisor.allocatedBlocks(QUESTION).then((blocks) => answers.push(blocks));
  await settle();
  t.same(answers, [undefined, undefined]);
  t.equal(asked(), before, 'and is never asked again');
  await supervisor.close();
});

t.test(
  'the journal is bounded in records: half makes us flush, all makes writers wait',
  async (t) => {
    const { supervisor, last, journal } = setUpSupervisor({ isVolatile: true });
    await supervisor.open();
    let sector = 0;
    /** A write of another sector, which succeeds behind what else is in the helper. */
    const write = (): TestIo => {
      const io = new TestIo(2 * sector++, WRITE);
      io.memory = undefined;
      supervisor.io(io);
      last().answer(0, last().inFlight.length - 1);
      return io;
    };
    for (let n = 0; n < JOURNAL_ENTRIES_MAX / 2; n++) write();
    t.same(inFlight(last()), []);
    write();
    t.same(inFlight(last()), ['flush'], 'our own');
    while (journal.entries.length < JOURNAL_ENTRIES_MAX) write();
    const waiting = write();
    t.same(waiting.results, [], 'it can not be remembered, so it is not answered');
    t.equal(journal.entries.length, JOURNAL_ENTRIES_MAX);
    last().answer();
    t.same(waiting.results, [0]);
    await supervisor.close();
  },
);

t.test('half of the memory of the journal makes us flush, too', async (t) => {
  const { supervisor, last } = setUpSupervisor({ isVolatile: true });
  await supervisor.open();
  const halfSectors = JOURNAL_BYTES_MAX / 2 / SECTOR_BYTES;
  supervisor.io(new TestIo(0, WRITE, halfSectors));
  last().answer();
  t.same(inFlight(last()), []);
  supervisor.io(new TestIo(halfSectors, WRITE));
  last().answer();
  t.same(inFlight(last()), ['flush'], 'before anybody waits for it');
  await supervisor.close();
});

t.test('writers that wait for the journal fail when it can not be flushed', async (t) => {
  const { supervisor, last, journal, flushFailures, clock } = setUpSupervisor({ isVolatile: true });
  await supervisor.open();
  const write = (sector: number): TestIo => {
    const io = new TestIo(sector, WRITE);
    io.memory = undefined;
    supervisor.io(io);
    const at = last().inFlight.findIndex(({ startSector }) => startSector === sector);
    last().answer(0, at);
    return io;
  };
  for (let n = 0; n < JOURNAL_ENTRIES_MAX; n++) write(2 * n + 2);
  const waiting = write(1);
  t.equal(journal.entries.length, JOURNAL_ENTRIES_MAX);
  // The first is tried again in another helper; it fails there, too.
  last().answer(DISK_FULL);
  await clock.pass(0);
  for (let turn = 0; flushFailures.length === 0 && turn < 3; turn++) {
    while (last().isAlive && last().inFlight.length > 0) {
      last().answer(last().inFlight[0]?.op === FLUSH ? DISK_FULL : 0);
    }
    await clock.pass(1000);
  }
  t.equal(flushFailures.length, 1);
  while (last().inFlight.length > 0)
    last().answer(last().inFlight[0]?.op === FLUSH ? DISK_FULL : 0);
  await clock.pass(1000);
  while (last().inFlight.length > 0)
    last().answer(last().inFlight[0]?.op === FLUSH ? DISK_FULL : 0);
  t.same(waiting.results, [1]);
  await supervisor.close();
});

/** A write that every helper refuses to be given again, until the time for recovery was over. */
async function refuseOne() {
  const set = setUpSupervisor({ isVolatile: true });
  const { supervisor, last, clock } = set;
  await supervisor.open();
  const write = new TestIo(8, WRITE);
  supervisor.io(write);
  last().answer();
  const read = new TestIo(8);
  supervisor.io(read);
  last().die('was killed by SIGSEGV');
  const refuse = async (forMs: number): Promise<void> => {
    for (let passedMs = 0; passedMs < forMs; passedMs += 1000) {
      await clock.pass(1000);
      if (last().isAlive && inFlight(last())[0] === 'write 8') last().answer(DISK_FULL);
    }
  };
  return { ...set, read, refuse };
}

t.test('an unflushed write that is refused is not given up before its time', async (t) => {
  const { supervisor, last, clock, read, refuse, writeBack } = await refuseOne();
  await refuse(RECOVERY_TIMEOUT_MS - 60_000);
  t.ok(writeBack.lost.isEmpty);
  t.same(read.results, []);
  await clock.pass(20_000);
  t.same(inFlight(last()), ['write 8']);
  while (last().inFlight.length > 0) last().answer();
  t.same(read.results, [0], 'it was only an outage');
  await supervisor.close();
});

t.test('what a replay had written before it was refused is progress only if flushed', async (t) => {
  const { supervisor, helpers, last, clock } = setUpSupervisor({ isVolatile: true });
  await supervisor.open();
  for (const sector of [8, 16]) {
    supervisor.io(new TestIo(sector, WRITE));
    last().answer();
  }
  last().die('was killed by SIGSEGV');
  await clock.pass(0);
  t.same(inFlight(last()), ['write 8', 'write 16']);
  last().answer();
  last().answer(DISK_FULL);
  await clock.pass(RESTART_BACKOFF_MIN_MS - 1);
  t.equal(helpers.length, 2, 'or a refusal would be asked for in a tight loop');
  await clock.pass(1);
  t.equal(helpers.length, 3);
  for (const expected of ['write 8', 'flush']) {
    t.same(inFlight(last()), [expected], 'half of it at once');
    last().answer();
  }
  last().answer(DISK_FULL);
  await clock.pass(0);
  t.equal(helpers.length, 4);
  await supervisor.close();
});

t.test('then it is lost, until it was overwritten and flushed', async (t) => {
  const { supervisor, last, clock, read, refuse, writeBack, lines, flushFailures } =
    await refuseOne();
  await refuse(RECOVERY_TIMEOUT_MS + 60_000);
  t.same(read.results, [1]);
  t.match(lines.join(''), /lost: 512 bytes at offset 4096: the library refuses to write them/);
  const run = async (io: TestIo): Promise<number | bigint | undefined> => {
    supervisor.io(io);
    await clock.pass(100);
    while (last().inFlight.length > 0) last().answer();
    await settle();
    return io.results[0];
  };
  t.equal(await run(new TestIo(9)), 0, 'a read of something else');
  t.equal(await run(new TestIo(8)), 1, 'a read of it');
  t.equal(await run(new TestIo(0, FLUSH)), 1, 'any flush');
  t.equal(await run(new TestIo(100, WRITE)), 0);
  await clock.pass(JOURNAL_IDLE_FLUSH_MS);
  t.same(inFlight(last()), ['flush'], 'our own');
  const failuresBefore = flushFailures.length;
  last().answer();
  t.equal(flushFailures.length, failuresBefore, 'which tells of the library, not of what is lost');
  t.notOk(writeBack.isStuck);
  t.equal(writeBack.journal.entries.length, 0);

  t.equal(await run(new TestIo(8, WRITE)), 0, 'overwritten');
  t.equal(await run(new TestIo(8)), 0, 'it can be read');
  t.notOk(writeBack.lost.isEmpty, 'but it is not safe yet');
  t.equal(await run(new TestIo(0, FLUSH)), 0);
  t.ok(writeBack.lost.isEmpty);
  await supervisor.close();
});
