// The Disk over a helper: grants memory from the arenas, keeps overlapping requests in order, cuts
// requests into library calls, and lets the supervisor see them through, whatever dies.
// program/ opens one per disk; the server sees only the Disk interface.
import { Arenas } from '../arena/arena.js';
import { Demand, Grants } from '../arena/grants.js';
import type { Slot } from '../arena/slots.js';
import type { Clock } from '../base/clock.js';
import { invariant } from '../base/errors.js';
import {
  MEMORY_BYTES_MIN,
  PIECE_BYTES_MAX,
  PREFERRED_BLOCK_BYTES,
  REQUEST_BYTES_MAX,
  SECTOR_BYTES,
  UNFLUSHED_LINES_MAX,
} from '../base/limits.js';
import type { Log } from '../base/log.js';
import { type CallCount, readCallCounts } from '../helper/call-counts.js';
import type { Helper, HelperListener } from '../helper/helper.js';
import type { JournalEntry } from '../supervisor/journal.js';
import type { ErrorPolicy } from '../supervisor/error-policy.js';
import type { SessionFacts } from '../supervisor/open-session.js';
import type { Logins } from '../supervisor/logins.js';
import { RangeLock } from '../supervisor/range-lock.js';
import { Quarantine } from '../supervisor/quarantine.js';
import { Supervisor } from '../supervisor/supervisor.js';
import type { SessionParams } from '../supervisor/open-session.js';
import { describeRange, WriteBack } from '../supervisor/write-back.js';
import { type Disk, type DiskClient, DiskRequest, type DiskSession } from './disk.js';
import { type BlocksQuestion, DiskExtents } from './extents.js';
import { Job, type JobHost, type Piece } from './job.js';
import { KeptSlots } from './kept-slots.js';
import { diskErrorOf } from './vix-disk-error.js';

/** VixDiskLib_Open's read-only flag (helper/vixdisklib.h). */
export const VIXDISKLIB_FLAG_OPEN_READ_ONLY = 4;

/** Room for the first and the last sector of an unaligned write. */
const EDGE_BYTES = 2 * SECTOR_BYTES;

/** Who wants to know more of a disk than its requests need. */
export interface DiskObserver {
  /** Calls of the library by all helpers of the disk: told once, when it is closed. */
  counted?: (counts: CallCount[]) => void;
  /** What the library says is allocated, as Supervisor.allocatedBlocks() has it. */
  allocated?: (question: BlocksQuestion, blocks: number[] | undefined) => void;
}

export interface HelperDiskOptions {
  /** What the log calls the disk. */
  name: string;
  session: Omit<SessionParams, 'hello'> & {
    hello: Omit<SessionParams['hello'], 'readArenaBytes' | 'writeArenaBytes'>;
  };
  /** Both arenas together; at least MEMORY_BYTES_MIN. */
  memoryBytes: number;
  observer?: DiskObserver;
  /** Which file the disk's path names now, in words to compare; it throws if there is none. */
  fileIdentity: () => string;
  startHelper: (arenas: Arenas, listener: HelperListener) => Helper;
  /** Whether the library may forget writes that it has not flushed when its process dies. */
  buffersWrites: boolean;
  clock: Clock;
  log: Log;
  random: () => number;
  /** How long close() may wait for the helper before it gives up. */
  closeTimeoutMs: number;
  /** These five are SupervisorOptions'. */
  logins: Logins;
  requestTimeoutMs: number;
  recoveryTimeoutMs: number;
  spare: boolean;
  errors: ErrorPolicy;
  /**
   * What is true of ranges that the library says it has not allocated, when the disk is open in
   * this transport mode: EXTENT_* bits; 0: nothing, don't ask.
   */
  holeState: (transportMode: string) => number;
}

/**
 * Opens the disk. Rejects with the supervisor's OpenFailure, or VddkNbdError (SYSTEM) where the
 * machine can't give the memory; nothing is left behind then.
 */
export async function openHelperDisk(options: HelperDiskOptions): Promise<HelperDisk> {
  invariant(options.memoryBytes >= MEMORY_BYTES_MIN, 'memory is checked by the command');
  const arenas = Arenas.create(options.memoryBytes);
  const grants = new Grants(arenas, options.clock);
  const quarantine = new Quarantine(options.clock);
  const keptSlots = options.buffersWrites ? new KeptSlots(grants) : undefined;
  const writeBack =
    keptSlots &&
    new WriteBack({
      name: options.name,
      journal: keptSlots.journal,
      journalBytesMax: arenas.write.bytes,
      clock: options.clock,
      log: options.log,
      quarantine,
      runFlush: (flush) => {
        supervisor.io(flush);
      },
      flushFailed: () => {
        refuseWriters(grants);
      },
    });
  const supervisor = new Supervisor({
    name: options.name,
    session: {
      ...options.session,
      hello: {
        ...options.session.hello,
        readArenaBytes: arenas.readArenaBytes,
        writeArenaBytes: arenas.arenaBytes,
        ...(options.observer?.counted && { countersOffset: arenas.countersOffsetBytes }),
      },
    },
    fileIdentity: options.fileIdentity,
    startHelper: (listener) => options.startHelper(arenas, listener),
    errors: options.errors,
    clock: options.clock,
    log: options.log,
    random: options.random,
    requestTimeoutMs: options.requestTimeoutMs,
    recoveryTimeoutMs: options.recoveryTimeoutMs,
    spare: options.spare,
    logins: options.logins,
    quarantine,
    scratchOffsetBytes: arenas.scratchOffsetBytes,
    ...(writeBack && { writeBack }),
  });
  try {
    const facts = await supervisor.open();
    const memory = { arenas, grants, keptSlots, writeBack };
    return new HelperDisk(options, memory, supervisor, facts);
  } catch (thrown) {
    tellCounts(options, arenas);
    arenas.close();
    throw thrown;
  }
}

function tellCounts({ observer }: HelperDiskOptions, { counters }: Arenas): void {
  observer?.counted?.(readCallCounts(counters));
}

/** Memory that nobody reads, for payloads of writes that are refused. */
const sink = Buffer.alloc(PIECE_BYTES_MAX);

/**
 * Writers that wait for memory which an unflushable journal holds: they fail, for they would wait
 * for ever. Their payloads are received all the same, or the connection could not go on.
 */
function refuseWriters(grants: Grants): void {
  for (const demand of grants.waitingToWrite()) {
    grants.release(demand);
    const job = demand.owner as Job;
    job.isRefused = true;
    const { client, request } = job;
    if (request.op === 'write') {
      for (let leftBytes = request.lengthBytes; leftBytes > 0; leftBytes -= PIECE_BYTES_MAX) {
        request.pieces.push(sink.subarray(0, Math.min(leftBytes, PIECE_BYTES_MAX)));
      }
      client.granted(request);
    } else {
      failRefused(job);
    }
  }
}

function failRefused({ client, request }: Job): void {
  request.error = 'EIO';
  request.errorText = 'no memory: unflushed writes hold all of it, and the library fails to flush';
  client.completed(request);
}

/** The memory of a disk, and what keeps it beyond requests if the library buffers writes. */
interface DiskMemory {
  arenas: Arenas;
  grants: Grants;
  keptSlots: KeptSlots | undefined;
  writeBack: WriteBack | undefined;
}

/** One client connection's requests. */
class HelperSession implements DiskSession {
  readonly client: DiskClient;
  readonly #disk: HelperDisk;

  constructor(disk: HelperDisk, client: DiskClient) {
    this.#disk = disk;
    this.client = client;
  }

  begin(request: DiskRequest): boolean {
    return this.#disk.begin(this, request);
  }

  submit(request: DiskRequest): void {
    this.#disk.submit(jobOf(request));
  }

  release(request: DiskRequest): void {
    this.#disk.release(jobOf(request));
  }

  abandon(request: DiskRequest): void {
    this.#disk.release(jobOf(request));
  }

  othersWaitSinceMs(): number | undefined {
    return this.#disk.grants.oldestWaitSinceMs(this);
  }

  /** Nothing to do: what is under way is released request by request. */
  end(): void {
    return;
  }
}

function jobOf(request: DiskRequest): Job {
  invariant(request.job instanceof Job, 'the request has begun on this disk');
  return request.job;
}

/** An open disk in a supervised helper. */
export class HelperDisk implements Disk, JobHost {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly canFlush: boolean;
  readonly requestBytesMax: number;
  readonly preferredBlockBytes: number;
  readonly zeroOffsetBytes: number;
  readonly facts: SessionFacts;
  readonly grants: Grants;
  readonly #options: HelperDiskOptions;
  readonly #memory: DiskMemory;
  readonly #supervisor: Supervisor;
  readonly #locks = new RangeLock();
  readonly #extents: DiskExtents;
  readonly #idleJobs: Job[] = [];
  /** Jobs between their grant (or begin) and their result. */
  #running = 0;
  #drained: (() => void) | undefined;
  #closing: Promise<string[]> | undefined;

  constructor(
    options: HelperDiskOptions,
    memory: DiskMemory,
    supervisor: Supervisor,
    facts: SessionFacts,
  ) {
    const { info } = facts;
    const { arenas } = memory;
    this.facts = facts;
    this.sizeBytes = info.capacitySectors * SECTOR_BYTES;
    this.readOnly = (options.session.open.flags & VIXDISKLIB_FLAG_OPEN_READ_ONLY) !== 0;
    this.canFlush = facts.hello.functions.includes('Flush');
    this.requestBytesMax = Math.min(REQUEST_BYTES_MAX, arenas.arenaBytes / 2);
    this.preferredBlockBytes = Math.max(
      PREFERRED_BLOCK_BYTES,
      info.logicalSectorBytes,
      info.physicalSectorBytes,
    );
    this.zeroOffsetBytes = arenas.zeroOffsetBytes;
    this.grants = memory.grants;
    this.#options = options;
    this.#memory = memory;
    this.#supervisor = supervisor;
    this.#extents = new DiskExtents({
      sizeBytes: this.sizeBytes,
      readOnly: this.readOnly,
      holeState: facts.hello.functions.includes('QueryAllocatedBlocks')
        ? options.holeState(facts.transportMode)
        : 0,
      allocatedBlocks: async (question) => {
        const blocks = await supervisor.allocatedBlocks(question);
        options.observer?.allocated?.(question, blocks);
        return blocks;
      },
      isBusy: () => this.#running > 0,
      answered: (request) => {
        jobOf(request).client.completed(request);
      },
      clock: options.clock,
    });
  }

  session(client: DiskClient): DiskSession {
    return new HelperSession(this, client);
  }

  /** DiskSession.begin(). */
  begin(session: HelperSession, request: DiskRequest): boolean {
    const job = this.#idleJobs.pop() ?? this.#newJob();
    request.job = job;
    request.error = undefined;
    request.errorText = '';
    request.errorOffsetBytes = -1;
    request.pieces.length = 0;
    request.extents.length = 0;
    job.begin(request, session.client);
    if (request.op === 'extents') {
      this.#extents.ask(request);
      return true;
    }
    if (request.takesHoles && this.#extents.describe(request)) {
      session.client.completed(request);
      return true;
    }
    const { demand } = job;
    demand.session = session;
    setDemand(job);
    if (demand.readBytes === 0 && demand.writeBytes === 0) {
      this.#start(job);
      return true;
    }
    if (this.grants.request(demand)) {
      this.#granted(job);
      return true;
    }
    this.#memory.writeBack?.flushSoon();
    // What carries no payload waits for its memory without its connection.
    return !lends(request);
  }

  /** DiskSession.submit(). */
  submit(job: Job): void {
    if (job.isRefused) failRefused(job);
    else this.#start(job);
  }

  /** DiskSession.release() and abandon(). */
  release(job: Job): void {
    this.#memory.keptSlots?.takeFrom(job.demand);
    this.grants.release(job.demand);
    job.request.job = undefined;
    job.request.pieces.length = 0;
    this.#idleJobs.push(job);
  }

  run(piece: Piece): void {
    this.#supervisor.io(piece);
  }

  finished(job: Job, vixError: number | bigint): void {
    const { request } = job;
    if (request.op !== 'flush') this.#locks.release(job);
    if (vixError !== 0) {
      request.error = diskErrorOf(vixError);
      request.errorText = `the disk library failed with VixError ${String(vixError)}`;
    }
    this.#running--;
    if (this.grants.isWaitingToWrite) this.#memory.writeBack?.flushSoon();
    job.client.completed(request);
    if (this.#running === 0) this.#drained?.();
  }

  /** Writes that were answered and that no flush has covered, if the library buffers writes. */
  get unflushedWrites(): number {
    return this.#memory.keptSlots?.journal.entries.length ?? 0;
  }

  close(): Promise<string[]> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<string[]> {
    const { clock, closeTimeoutMs, log, name } = this.#options;
    const reasons: string[] = [];
    this.#extents.stop();
    const timer = clock.after(closeTimeoutMs, () => {
      void this.#supervisor.abandon();
    });
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    if (!this.readOnly && this.canFlush) {
      const error = await this.#lastFlush();
      if (error !== undefined) reasons.push(`the last flush failed: ${error}`);
    }
    const { isClosed } = await this.#supervisor.close();
    timer.cancel();
    // Without a flush only the library's own close makes its writes safe.
    const isSafe = this.readOnly || (!this.canFlush && isClosed);
    if (!isSafe) reasons.push(...unflushedLines(this.#memory.keptSlots?.journal.entries ?? []));
    const lost = this.#memory.writeBack?.lost.list() ?? [];
    reasons.push(...lost.map((range) => `lost: ${describeRange(range)}`));
    const summary = this.#supervisor.counters.summary();
    if (summary !== undefined) log.warning(`${name}: ${summary}`);
    tellCounts(this.#options, this.#memory.arenas);
    this.#memory.arenas.close();
    return reasons;
  }

  #lastFlush(): Promise<string | undefined> {
    return new Promise((resolve) => {
      const request = new DiskRequest();
      request.op = 'flush';
      const session = this.session({
        granted: () => undefined,
        completed: () => {
          resolve(request.error && request.errorText);
          session.release(request);
        },
      });
      session.begin(request);
    });
  }

  #newJob(): Job {
    const demand = new Demand((granted) => {
      const job = granted.owner as Job;
      this.#granted(job);
      if (lends(job.request)) job.client.granted(job.request);
    });
    const job = new Job(this, demand);
    demand.owner = job;
    return job;
  }

  /** The memory is there: lend it, and run what has no payload to wait for. */
  #granted(job: Job): void {
    const { request, demand } = job;
    if (request.op === 'read') lend(request, demand.readSlots, job.headBytes);
    else if (request.op === 'write') lend(request, demand.writeSlots, job.headBytes);
    if (request.op !== 'write') this.#start(job);
  }

  #start(job: Job): void {
    this.#running++;
    if (job.exclusive) this.#extents.written(job.startSector, job.endSector);
    if (job.request.op === 'flush' || this.#locks.acquire(job)) job.locked();
  }
}

/** Whether the memory of `request` is the server's for a time. */
function lends({ op }: DiskRequest): boolean {
  return op === 'read' || op === 'write';
}

/** What memory `job` needs. Everything that the library reads for nobody goes to one slot. */
function setDemand(job: Job): void {
  const { demand, request } = job;
  const rangeBytes = (job.endSector - job.startSector) * SECTOR_BYTES;
  const edgeBytes = job.hasEdges ? EDGE_BYTES : 0;
  demand.writeBytes = request.op === 'write' ? rangeBytes : edgeBytes;
  if (request.op === 'read') demand.readBytes = rangeBytes;
  else if (request.op === 'cache') demand.readBytes = Math.min(rangeBytes, PIECE_BYTES_MAX);
  else demand.readBytes = edgeBytes;
}

/** Fills `request.pieces` with the bytes of the request itself, without its unaligned edges. */
function lend(request: DiskRequest, slots: readonly Slot[], headBytes: number): void {
  let startBytes = headBytes;
  let leftBytes = request.lengthBytes;
  for (const slot of slots) {
    const pieceBytes = Math.min(PIECE_BYTES_MAX - startBytes, leftBytes);
    request.pieces.push(slot.view(startBytes, pieceBytes));
    leftBytes -= pieceBytes;
    startBytes = 0;
  }
  invariant(leftBytes === 0, 'the grant covers the request');
}

/** A line for each write that was answered and is not durable; the last one counts the rest. */
function unflushedLines(entries: readonly JournalEntry[]): string[] {
  const shown = entries.slice(0, UNFLUSHED_LINES_MAX);
  const lines = shown.map((entry) => `not flushed: ${describeRange(entry)}`);
  const rest = entries.length - lines.length;
  if (rest > 0) lines.push(`not flushed: ${rest} more writes`);
  return lines;
}
