// The Disk over a helper: grants memory from the arenas, keeps overlapping requests in order, cuts
// requests into library calls, and lets the supervisor see them through, whatever dies.
// program/ opens one per disk; the server sees only the Disk interface.
import { Arenas } from '../arena/arena.js';
import { Demand, Grants } from '../arena/grants.js';
import { invariant } from '../base/errors.js';
import {
  MEMORY_BYTES_MIN,
  PIECE_BYTES_MAX,
  PREFERRED_BLOCK_BYTES,
  REQUEST_BYTES_MAX,
  SECTOR_BYTES,
} from '../base/limits.js';
import { empty } from '../base/lists.js';
import { readCallCounts } from '../helper/call-counts.js';
import type { SessionFacts } from '../supervisor/open-session.js';
import { RangeLock } from '../supervisor/range-lock.js';
import { Quarantine } from '../supervisor/quarantine.js';
import { Supervisor } from '../supervisor/supervisor.js';
import { describeRange, WriteBack } from '../supervisor/write-back.js';
import { type Disk, type DiskClient, DiskRequest, type DiskSession } from './disk.js';
import { CachedReads, speculationWithin } from './cached-reads.js';
import { DiskExtents } from './extents.js';
import type { HelperDiskOptions } from './helper-disk-options.js';
import { Job, type JobHost, type Piece } from './job.js';
import { lend, lends, setDemand } from './job-memory.js';
import { KeptSlots, unflushedLines } from './kept-slots.js';
import { Reader } from './readahead.js';
import { diskErrorOf } from './vix-disk-error.js';

/** VixDiskLib_Open's read-only flag (helper/vixdisklib.h). */
export const VIXDISKLIB_FLAG_OPEN_READ_ONLY = 4;

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
  let disk: HelperDisk | undefined;
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
    helperEnded: () => disk?.helperEnded(),
    ...(writeBack && { writeBack }),
  });
  try {
    const facts = await supervisor.open();
    const memory = { arenas, grants, keptSlots, writeBack };
    disk = new HelperDisk(options, memory, supervisor, facts);
    return disk;
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
  readonly reader = new Reader();
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
  readonly #reads: CachedReads;
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
    this.#reads = new CachedReads({
      ...speculationWithin(arenas.arenaBytes, options),
      sizeSectors: info.capacitySectors,
      grants: memory.grants,
      locks: this.#locks,
      clock: options.clock,
      hasRoomFor: (nrSectors) => supervisor.hasRoomFor(nrSectors),
      run: (io) => {
        supervisor.io(io);
      },
      holeEndSector: (sector, endSector) => this.#extents.holeEndSector(sector, endSector),
      began: () => {
        this.#running++;
      },
      ended: () => {
        this.#ended();
        this.grants.retry();
      },
      answered: (job) => {
        this.#complete(job);
      },
      missed: (job) => {
        this.#readAfterAll(job);
      },
    });
  }

  get generation(): number {
    return this.#reads.cache.generation;
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
    empty(request.pieces);
    empty(request.extents);
    job.begin(request, session.client, session.reader);
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
    demand.readBytes = (job.endSector - job.startSector) * SECTOR_BYTES;
    demand.writeBytes = 0;
    if (request.op === 'read' || request.op === 'cache') {
      const outcome = this.#reads.begin(job, session.reader);
      if (outcome === 'waits') this.#holdRange(job);
      if (outcome !== 'missed') return true;
    }
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
    this.#reads.released(job);
    this.#memory.keptSlots?.takeFrom(job.demand);
    this.grants.release(job.demand);
    job.request.job = undefined;
    empty(job.request.pieces);
    this.#idleJobs.push(job);
  }

  run(piece: Piece): void {
    this.#supervisor.io(piece);
  }

  finished(job: Job, vixError: number | bigint): void {
    const { request } = job;
    // A writer that waits for this range would make what is kept of it old.
    if (vixError === 0 && !this.#locks.isWanted(job)) this.#reads.finished(job);
    if (vixError !== 0) {
      request.error = diskErrorOf(vixError);
      request.errorText = `the disk library failed with VixError ${String(vixError)}`;
    }
    if (this.grants.isWaitingToWrite) this.#memory.writeBack?.flushSoon();
    this.#complete(job);
  }

  arrived(job: Job): void {
    this.#reads.arrived(job);
  }

  /** SupervisorOptions.helperEnded(). */
  helperEnded(): void {
    this.#reads.helperEnded();
  }

  /** `job` waits for what comes into the cache: in the order of arrival, as if it had been read. */
  #holdRange(job: Job): void {
    this.#runs(job);
    job.isLocked = true;
    invariant(this.#locks.acquire(job), 'nothing is found where somebody writes');
  }

  /** What `job` waited for has not come. */
  #readAfterAll(job: Job): void {
    setDemand(job);
    if (this.grants.request(job.demand)) {
      this.#granted(job);
    } else {
      // Others may hold memory, and wait for the range.
      this.#unlock(job);
    }
  }

  #unlock(job: Job): void {
    if (!job.isLocked) return;
    job.isLocked = false;
    this.#locks.release(job);
  }

  /** `job` waits for the library, or is about to. */
  #runs(job: Job): void {
    if (job.isRunning) return;
    job.isRunning = true;
    this.#running++;
    if (job.request.op === 'read') job.reader.waitingReads++;
  }

  /** `job` has its result. */
  #complete(job: Job): void {
    const { request } = job;
    const wasRunning = job.isRunning;
    this.#unlock(job);
    job.isRunning = false;
    if (wasRunning && request.op === 'read') job.reader.waitingReads--;
    job.client.completed(request);
    if (wasRunning) this.#ended();
  }

  #ended(): void {
    if (--this.#running === 0) this.#drained?.();
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
    this.#reads.stop();
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
      // One that runs already has waited for something else, and its connection does not wait.
      const isNews = lends(job.request) && !job.isRunning;
      this.#granted(job);
      if (isNews) job.client.granted(job.request);
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
    this.#runs(job);
    if (job.exclusive) {
      this.#extents.written(job.startSector, job.endSector);
      this.#reads.overwriting(job);
    }
    if (job.request.op !== 'flush' && !job.isLocked) {
      job.isLocked = true;
      if (!this.#locks.acquire(job)) return;
    }
    job.locked();
  }
}
