// A disk in memory: the reference for what a Disk does, and the double of the server's tests.
// Requests run when `schedule` says so (at once by default), on memory lent from a bounded pool:
// all of a request's memory or none, in order of arrival over sessions, at most half to a session.
import { systemClock, type Clock } from '../base/clock.js';
import { invariant } from '../base/errors.js';
import { MEMORY_BYTES_DEFAULT, PIECE_BYTES_MAX, REQUEST_BYTES_MAX } from '../base/limits.js';
import {
  type Disk,
  type DiskClient,
  type DiskErrorCode,
  type DiskOp,
  type DiskRequest,
  type DiskSession,
  EXTENT_HOLE,
  EXTENT_ZERO,
} from './disk.js';
import { MemoryPool } from './memory-pool.js';

/** Requests of `op` that touch [startBytes, endBytes) fail with `error`. */
export interface FailingRange {
  op: DiskOp;
  startBytes: number;
  endBytes: number;
  error: DiskErrorCode;
}

export interface MemoryDiskOptions {
  /** The contents; the disk is as long as this Buffer and writes into it. */
  data: Buffer;
  readOnly?: boolean;
  canFlush?: boolean;
  /** Memory lent at most, to all sessions together. */
  memoryBytes?: number;
  requestBytesMax?: number;
  pieceBytesMax?: number;
  preferredBlockBytes?: number;
  /** Runs of zeroes that fill whole blocks of this many bytes are holes. */
  holeBytes?: number;
  /** Called with each request's work, once; the work may run at any later time, in any order. */
  schedule?: (work: () => void) => void;
  clock?: Clock;
}

/** A request that waits for memory. */
interface Waiter {
  session: MemorySession;
  request: DiskRequest;
  sinceMs: number;
}

export class MemoryDisk implements Disk {
  readonly data: Buffer;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly canFlush: boolean;
  readonly requestBytesMax: number;
  readonly preferredBlockBytes: number;
  /** A test may add and remove ranges at any time. */
  readonly failing: FailingRange[] = [];
  /** How many requests of each kind have run, and how many with FUA. */
  readonly ran = { read: 0, write: 0, zero: 0, flush: 0, extents: 0, cache: 0, fua: 0 };
  readonly pool: MemoryPool;
  readonly clock: Clock;
  readonly #schedule: (work: () => void) => void;
  readonly #sessionBytesMax: number;
  readonly #holeBytes: number;
  readonly #waiters: Waiter[] = [];
  #underWay = 0;
  #idle: (() => void)[] = [];

  constructor(options: MemoryDiskOptions) {
    const memoryBytes = options.memoryBytes ?? MEMORY_BYTES_DEFAULT;
    this.data = options.data;
    this.sizeBytes = options.data.length;
    this.readOnly = options.readOnly ?? false;
    this.canFlush = options.canFlush ?? true;
    this.requestBytesMax = options.requestBytesMax ?? REQUEST_BYTES_MAX;
    this.preferredBlockBytes = options.preferredBlockBytes ?? 4096;
    this.#holeBytes = options.holeBytes ?? 65_536;
    this.clock = options.clock ?? systemClock;
    this.pool = new MemoryPool(memoryBytes, options.pieceBytesMax ?? PIECE_BYTES_MAX);
    this.#sessionBytesMax = memoryBytes / 2;
    this.#schedule =
      options.schedule ??
      ((work) => {
        work();
      });
    invariant(this.requestBytesMax <= this.#sessionBytesMax, 'a session can hold any request');
  }

  session(client: DiskClient): DiskSession {
    return new MemorySession(this, client);
  }

  /** Waits for what is under way. Memory has nothing to flush. */
  async close(): Promise<string[]> {
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    return [];
  }

  /** For sessions: grants `request` its memory, or has it wait. */
  begin(session: MemorySession, request: DiskRequest): boolean {
    invariant(
      request.offsetBytes >= 0 && request.offsetBytes + request.lengthBytes <= this.sizeBytes,
      'a request is within the disk',
    );
    const lends = request.op === 'read' || request.op === 'write';
    if (lends && (this.#waiters.length > 0 || !this.#fits(session, request))) {
      this.#waiters.push({ session, request, sinceMs: this.clock.nowMs() });
      this.#grantWaiters();
      return !this.#waiters.some((waiter) => waiter.request === request);
    }
    this.#grant(session, request);
    return true;
  }

  /** For sessions: takes the memory of `request` back, and grants who waits. */
  reclaim(session: MemorySession, request: DiskRequest): void {
    session.heldBytes -= this.pool.takeBack(request.pieces);
    this.#grantWaiters();
  }

  /** For sessions: `request` waits no more. */
  forget(request: DiskRequest): boolean {
    const at = this.#waiters.findIndex((waiter) => waiter.request === request);
    if (at < 0) return false;
    this.#waiters.splice(at, 1);
    this.#grantWaiters();
    return true;
  }

  /** For sessions: since when one other than `session` waits for memory that others hold. */
  othersWaitSinceMs(session: MemorySession): number | undefined {
    const first = this.#waiters.find(
      (waiter) => waiter.session !== session && this.#sessionMayHold(waiter),
    );
    return first?.sinceMs;
  }

  /** For sessions: has `request` run when its turn comes. */
  run(request: DiskRequest, done: () => void): void {
    this.#underWay++;
    this.#schedule(() => {
      this.#underWay--;
      this.#perform(request);
      done();
      if (this.#underWay > 0) return;
      for (const resolve of this.#idle.splice(0)) resolve();
    });
  }

  #sessionMayHold({ session, request }: { session: MemorySession; request: DiskRequest }): boolean {
    return session.heldBytes + this.pool.costBytes(request.lengthBytes) <= this.#sessionBytesMax;
  }

  #fits(session: MemorySession, request: DiskRequest): boolean {
    return this.#sessionMayHold({ session, request }) && this.pool.has(request.lengthBytes);
  }

  /** Who has as much as a session may hold is passed over; who finds too little stops the rest. */
  #grantWaiters(): void {
    for (let at = 0; at < this.#waiters.length;) {
      const waiter = this.#waiters[at];
      if (waiter === undefined || !this.#sessionMayHold(waiter)) {
        at++;
        continue;
      }
      if (!this.pool.has(waiter.request.lengthBytes)) return;
      this.#waiters.splice(at, 1);
      this.#grant(waiter.session, waiter.request);
      waiter.session.granted(waiter.request);
      at = 0;
    }
  }

  #grant(session: MemorySession, request: DiskRequest): void {
    if (request.op === 'read' || request.op === 'write') {
      session.heldBytes += this.pool.lend(request.lengthBytes, request.pieces);
    }
    if (request.op !== 'write') session.submit(request);
  }

  #perform(request: DiskRequest): void {
    const { op, offsetBytes, lengthBytes } = request;
    this.ran[op]++;
    if (request.fua) this.ran.fua++;
    const failing = this.failing.find(
      (range) =>
        range.op === op &&
        (op === 'flush' ||
          (offsetBytes < range.endBytes && range.startBytes < offsetBytes + lengthBytes)),
    );
    request.error = failing?.error;
    request.errorText = failing === undefined ? '' : `${op} fails by order of the test`;
    request.extents.length = 0;
    if (failing !== undefined) {
      const at = Math.max(offsetBytes, failing.startBytes);
      request.errorOffsetBytes = op === 'flush' ? -1 : at;
      return;
    }
    let at = offsetBytes;
    if (op === 'zero') this.data.fill(0, at, at + lengthBytes);
    if (op === 'extents') this.#listExtents(request, request.extentsMax);
    if (op === 'read' && request.takesHoles) {
      this.#listExtents(request, Infinity);
      if (request.extents.length > 2 * request.extentsMax) request.extents.length = 0;
    }
    for (const piece of request.pieces) {
      if (op === 'read') this.data.copy(piece, 0, at, at + piece.length);
      else piece.copy(this.data, at);
      at += piece.length;
    }
  }

  #listExtents({ offsetBytes, lengthBytes, extents }: DiskRequest, extentsMax: number): void {
    const endBytes = offsetBytes + lengthBytes;
    for (let at = offsetBytes; at < endBytes;) {
      const blockAt = Math.floor(at / this.#holeBytes) * this.#holeBytes;
      const block = this.data.subarray(blockAt, blockAt + this.#holeBytes);
      const state = block.every((byte) => byte === 0) ? EXTENT_HOLE | EXTENT_ZERO : 0;
      const pieceBytes = Math.min(blockAt + block.length, endBytes) - at;
      if (extents.at(-1) === state) {
        extents[extents.length - 2] = (extents.at(-2) ?? 0) + pieceBytes;
      } else {
        if (extents.length === 2 * extentsMax) return;
        extents.push(pieceBytes, state);
      }
      at += pieceBytes;
    }
  }
}

/** One connection's requests to a MemoryDisk. */
class MemorySession implements DiskSession {
  heldBytes = 0;
  readonly #disk: MemoryDisk;
  readonly #client: DiskClient;
  #beginning: DiskRequest | undefined;
  #ended = false;

  constructor(disk: MemoryDisk, client: DiskClient) {
    this.#disk = disk;
    this.#client = client;
  }

  begin(request: DiskRequest): boolean {
    invariant(!this.#ended, 'no request begins after the end of its session');
    this.#beginning = request;
    const granted = this.#disk.begin(this, request);
    this.#beginning = undefined;
    return granted;
  }

  submit(request: DiskRequest): void {
    this.#disk.run(request, () => {
      this.#client.completed(request);
    });
  }

  release(request: DiskRequest): void {
    this.#disk.reclaim(this, request);
  }

  abandon(request: DiskRequest): void {
    if (!this.#disk.forget(request)) this.#disk.reclaim(this, request);
  }

  othersWaitSinceMs(): number | undefined {
    return this.#disk.othersWaitSinceMs(this);
  }

  end(): void {
    this.#ended = true;
  }

  /** From the disk: the memory is there. Said by begin() itself if that has not returned yet. */
  granted(request: DiskRequest): void {
    if (request !== this.#beginning) this.#client.granted(request);
  }
}
