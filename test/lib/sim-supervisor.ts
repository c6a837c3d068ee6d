// A supervisor over helpers in this process, and a request to give it: what tests of the
// supervisor begin with.
import { RECOVERY_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from '../../src/base/limits.js';
import { createLog } from '../../src/base/log.js';
import { IO_OPS, type IoOpNumber } from '../../src/helper/protocol.js';
import { Journal } from '../../src/supervisor/journal.js';
import { Logins } from '../../src/supervisor/logins.js';
import { Quarantine } from '../../src/supervisor/quarantine.js';
import { SupervisedIo } from '../../src/supervisor/supervised-io.js';
import { Supervisor } from '../../src/supervisor/supervisor.js';
import { WriteBack } from '../../src/supervisor/write-back.js';
import { vixErrorPolicy } from '../../src/vddk/errors.js';
import { ManualClock, SimHelper, type SimOptions } from './sim-helper.js';

/** Where control reads go: no other request has this place. */
export const SCRATCH_OFFSET_BYTES = 4096;

/** What the journal may hold. */
export const JOURNAL_BYTES_MAX = 1024 * 1024;

/** A request that keeps what it was settled with. */
export class TestIo extends SupervisedIo {
  op: IoOpNumber;
  readonly results: (number | bigint)[] = [];

  constructor(startSector: number, op: IoOpNumber = IO_OPS.READ, nrSectors = 1) {
    super();
    this.op = op;
    this.startSector = startSector;
    this.nrSectors = op === IO_OPS.FLUSH ? 0 : nrSectors;
    if (op === IO_OPS.WRITE) this.memory = { journalEntries: 0 };
  }

  settled(vixError: number | bigint): void {
    this.results.push(vixError);
  }
}

export interface SupervisorSetUp {
  /** What the n-th helper, from 0, is like. */
  plan?: (n: number) => SimOptions;
  fileIdentity?: () => string;
  /** The library forgets writes that it has not flushed. */
  isVolatile?: boolean;
  spare?: boolean;
  requestTimeoutMs?: number;
  /** Default: its own. */
  logins?: Logins;
}

export function setUpSupervisor(options: SupervisorSetUp = {}) {
  const { plan = () => ({}), fileIdentity = () => '', isVolatile = false, spare = false } = options;
  const { logins = new Logins() } = options;
  const helpers: SimHelper[] = [];
  const clock = new ManualClock();
  const lines: string[] = [];
  const log = createLog({ write: (line) => lines.push(line), verbose: true });
  const quarantine = new Quarantine(clock);
  const journal = new Journal(() => undefined);
  /** Flushes of our own that failed. */
  const flushFailures: number[] = [];
  const writeBack = new WriteBack({
    name: '/disk.vmdk',
    journal,
    journalBytesMax: JOURNAL_BYTES_MAX,
    clock,
    log,
    quarantine,
    runFlush: (flush) => {
      supervisor.io(flush);
    },
    flushFailed: () => flushFailures.push(clock.nowMs()),
  });
  const supervisor = new Supervisor({
    name: '/disk.vmdk',
    session: {
      hello: {
        libraries: ['/lib.so'],
        libdir: '/',
        config: undefined,
        readArenaBytes: 1,
        writeArenaBytes: 1,
      },
      connect: { readOnly: false },
      open: { path: '/disk.vmdk', flags: 0 },
    },
    fileIdentity,
    startHelper: (listener) => {
      const helper = new SimHelper(listener, plan(helpers.length));
      helpers.push(helper);
      return helper;
    },
    clock,
    log,
    random: () => 1,
    errors: vixErrorPolicy,
    requestTimeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    recoveryTimeoutMs: RECOVERY_TIMEOUT_MS,
    spare,
    logins,
    quarantine,
    scratchOffsetBytes: SCRATCH_OFFSET_BYTES,
    ...(isVolatile && { writeBack }),
  });
  /** The youngest helper. */
  const last = (): SimHelper => helpers.at(-1)!;
  return { supervisor, helpers, last, clock, lines, journal, writeBack, quarantine, flushFailures };
}
