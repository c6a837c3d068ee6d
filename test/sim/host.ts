// The host of a simulated disk: what outlives helpers. A session keeps writes to itself until it
// flushes; what it has when its process dies is lost, or lands at once in part, or lands late, as
// long as nobody else has the lock.
// The rule: the lock is the only fence there is. A new session may not begin before the old process
// is gone; that is the program's duty, and a violation if it fails in it.
import { CHUNK_BYTES } from '../../src/base/limits.js';
import { Violation } from './model.js';
import type { Random } from './random.js';
import type { World } from './world.js';

export const SECTOR_BYTES = 512;

/** How a host treats writes. */
export interface HostTraits {
  /** Writes stay in the process until a flush. */
  isVolatile: boolean;
  /** A part of what a dead process had lands that much later, or until somebody opens the disk. */
  lateMs: number;
  /** A dead session keeps its lock until its writes have landed. */
  holdsLock: boolean;
  /** False: late writes land whoever has opened the disk meanwhile. */
  fences: boolean;
}

/** Sectors that a session has written and not flushed, or that a dead one may still write. */
export type Unflushed = Map<number, Buffer>;

interface Landing {
  isFenced: boolean;
}

export class Host {
  readonly durable: Buffer;
  readonly traits: HostTraits;
  /** Called for each range of bytes that changes. */
  onWrite: (startBytes: number, endBytes: number) => void = () => undefined;
  /** Called when a dead session has changed the disk, or could have. */
  onDeath: () => void = () => undefined;
  readonly #world: World;
  readonly #random: Random;
  #session: Session | undefined;
  #landings: Landing[] = [];
  readonly #writtenChunks = new Set<number>();
  /** Opens are refused until then. */
  downUntilMs = 0;
  lateLanded = 0;
  lateFenced = 0;
  lostSectors = 0;

  constructor(world: World, random: Random, sizeBytes: number, traits: HostTraits) {
    this.#world = world;
    this.#random = random;
    this.durable = Buffer.alloc(sizeBytes);
    this.traits = traits;
  }

  /** A new session, or undefined: the disk is locked by a dead one. */
  open(): Session | undefined {
    if (this.#session !== undefined) {
      throw new Violation('the disk is opened while the process that has it open lives');
    }
    if (this.traits.holdsLock && this.#landings.length > 0) return undefined;
    if (this.traits.fences) {
      for (const landing of this.#landings) landing.isFenced = true;
      this.lateFenced += this.#landings.length;
      this.#landings = [];
    }
    this.#session = new Session(this, this.#random);
    return this.#session;
  }

  /** Chunks that were ever written: offset, length, offset, length, ... in sectors. */
  allocatedSectors(): number[] {
    const blocks: number[] = [];
    const chunkSectors = CHUNK_BYTES / SECTOR_BYTES;
    for (const chunk of [...this.#writtenChunks].sort((a, b) => a - b)) {
      const startSector = chunk * chunkSectors;
      const endSector = Math.min(startSector + chunkSectors, this.durable.length / SECTOR_BYTES);
      blocks.push(startSector, endSector - startSector);
    }
    return blocks;
  }

  /** The session was closed; everything of it is there. */
  closed(session: Session): void {
    if (this.#session === session) this.#session = undefined;
  }

  /** The process of `session` is gone. */
  died(session: Session): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    const late: Unflushed = new Map();
    // Sometimes nothing is kept, sometimes everything, mostly something in between.
    const kept = this.#random.pick([0, 0, 1, this.#random.next()]);
    for (const [sector, bytes] of session.unflushed) {
      if (!this.#random.chance(kept)) this.lostSectors++;
      else if (this.traits.lateMs > 0 && this.#random.chance(0.5)) late.set(sector, bytes);
      else this.#land(sector, bytes);
    }
    if (late.size > 0) this.#landLater(late);
    this.onDeath();
  }

  /** A write of `session`, which buffers nothing. */
  writeThrough(sector: number, bytes: Buffer): void {
    this.#land(sector, bytes);
  }

  #land(sector: number, bytes: Buffer): void {
    const startBytes = sector * SECTOR_BYTES;
    bytes.copy(this.durable, startBytes);
    this.#writtenChunks.add(Math.floor(startBytes / CHUNK_BYTES));
    this.onWrite(startBytes, startBytes + bytes.length);
  }

  #landLater(unflushed: Unflushed): void {
    const landing = { isFenced: false };
    this.#landings.push(landing);
    this.#world.outside(this.#random.next() * this.traits.lateMs, () => {
      if (landing.isFenced) return;
      this.#landings = this.#landings.filter((other) => other !== landing);
      for (const [sector, bytes] of unflushed) this.#land(sector, bytes);
      this.lateLanded++;
      this.onDeath();
    });
  }
}

/** The disk as one open of it sees it. */
export class Session {
  readonly unflushed: Unflushed = new Map();
  /** What a failed flush did not write: still to be read, but taken for written. */
  readonly #pretended: Unflushed = new Map();
  readonly #host: Host;
  readonly #random: Random;

  constructor(host: Host, random: Random) {
    this.#host = host;
    this.#random = random;
  }

  read(startSector: number, into: Buffer): void {
    const startBytes = startSector * SECTOR_BYTES;
    this.#host.durable.copy(into, 0, startBytes, startBytes + into.length);
    if (this.unflushed.size === 0 && this.#pretended.size === 0) return;
    for (let atBytes = 0; atBytes < into.length; atBytes += SECTOR_BYTES) {
      const sector = startSector + atBytes / SECTOR_BYTES;
      const held = this.unflushed.get(sector) ?? this.#pretended.get(sector);
      held?.copy(into, atBytes);
    }
  }

  write(startSector: number, bytes: Buffer): void {
    for (let atBytes = 0; atBytes < bytes.length; atBytes += SECTOR_BYTES) {
      const sector = startSector + atBytes / SECTOR_BYTES;
      const one = bytes.subarray(atBytes, atBytes + SECTOR_BYTES);
      this.#pretended.delete(sector);
      if (this.#host.traits.isVolatile) this.unflushed.set(sector, one);
      else this.#host.writeThrough(sector, one);
    }
  }

  /** A write that was never finished: its process dies now, and with luck some of it lands. */
  leave(startSector: number, bytes: Buffer): void {
    for (let atBytes = 0; atBytes < bytes.length; atBytes += SECTOR_BYTES) {
      if (this.#random.chance(0.3)) continue;
      const one = bytes.subarray(atBytes, atBytes + SECTOR_BYTES);
      this.unflushed.set(startSector + atBytes / SECTOR_BYTES, one);
    }
  }

  /** What a flush that begins now will write: no more than what is there. */
  beginFlush(): Unflushed {
    return new Map(this.unflushed);
  }

  endFlush(begun: Unflushed): void {
    for (const [sector, bytes] of begun) {
      // Meanwhile it may have been written again, or written out or dropped by another flush.
      const newest = this.unflushed.get(sector);
      if (newest === undefined) continue;
      this.#host.writeThrough(sector, newest);
      if (newest === bytes) this.unflushed.delete(sector);
    }
  }

  /** The part of a flush that a process gets done before it dies or fails. */
  flushPart(): void {
    const part = this.#random.next() * 0.99;
    for (const [sector, bytes] of this.unflushed) {
      if (this.#random.chance(part)) this.#host.writeThrough(sector, bytes);
    }
  }

  /** A flush that fails: what it should have written is dropped, at once or when it dies. */
  failFlush(): void {
    this.flushPart();
    this.#host.lostSectors += this.unflushed.size;
    if (this.#random.chance(0.5)) {
      for (const [sector, bytes] of this.unflushed) this.#pretended.set(sector, bytes);
    }
    this.unflushed.clear();
  }

  close(): void {
    this.endFlush(this.beginFlush());
    this.#host.closed(this);
  }

  died(): void {
    this.#host.died(this);
  }
}
