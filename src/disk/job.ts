// One DiskRequest on its way through the disk over a helper: memory, range lock, library requests
// of at most PIECE_BYTES_MAX each, and the edges of what is not sector aligned. HelperDisk keeps a
// pool of these records. The rule: from locked() until the last piece has settled the range is
// held, so that nobody changes a sector between the reading of an edge and its writing. And nothing
// that a dead helper has read is answered, though the request may outlive several of them.
import type { Demand } from '../arena/grants.js';
import type { Slot } from '../arena/slots.js';
import {
  PIECE_BYTES_MAX,
  PREFETCH_BYTES_MAX,
  SECTOR_BYTES,
  SHARED_PIECES_IN_FLIGHT_MAX,
} from '../base/limits.js';
import { invariant } from '../base/errors.js';
import { IO_OPS, type IoOpNumber } from '../helper/protocol.js';
import type { JournalMemory } from '../supervisor/journal.js';
import { LockedRange } from '../supervisor/range-lock.js';
import { SupervisedIo } from '../supervisor/supervised-io.js';
import type { DiskClient, DiskRequest } from './disk.js';
import { PutAside } from './put-aside.js';
import type { CachedRange, Waiter } from './read-cache.js';
import type { Reader } from './readahead.js';
import type { Stream } from './streams.js';

/** What a job needs of its disk. */
export interface JobHost {
  /** Where the write arena holds PIECE_BYTES_MAX of zeroes. */
  readonly zeroOffsetBytes: number;
  /** Another one after each death of a helper. */
  readonly generation: number;
  run(piece: Piece): void;
  /** What the job has waited for in the cache is there, or will not be. */
  arrived(job: Job): void;
  /** The job has its result: vixError 0 is success. */
  finished(job: Job, vixError: number | bigint): void;
}

/** One library request of a job. */
export class Piece extends SupervisedIo {
  op: IoOpNumber = IO_OPS.FLUSH;
  readonly #job: Job;

  constructor(job: Job) {
    super();
    this.#job = job;
  }

  settled(vixError: number | bigint): void {
    this.#job.pieceSettled(this, vixError);
  }

  override partRead(nrSectors: number): boolean {
    return this.#job.partRead(this, nrSectors);
  }
}

type Phase = 'idle' | 'edges' | 'body' | 'flush';

/** The progress of one request. Fields are set by begin() and reset by the disk's pool. */
export class Job extends LockedRange implements Waiter {
  request!: DiskRequest;
  client!: DiskClient;
  reader!: Reader;
  /** The stream that a read continues. */
  stream: Stream | undefined = undefined;
  /** Ranges of the cache that it uses, each pinned, and how many of them it waits for. */
  readonly parts: CachedRange[] = [];
  waitsFor = 0;
  /** What it reads shall go into the cache, if no helper dies meanwhile; and is there. */
  keeps = false;
  isKept = false;
  /** The host's when it began to read into its slots. */
  generation = 0;
  /** A helper has died since then: what it had read was given up, and what others read is here. */
  #hasRepeated = false;
  #aside: PutAside | undefined = undefined;
  /** It counts as running: it waits for the library, or for memory that it lost its turn for. */
  isRunning = false;
  /** It holds its range, or waits for it. */
  isLocked = false;
  readonly demand: Demand;
  readonly #host: JobHost;
  readonly #idlePieces: Piece[] = [];
  #phase: Phase = 'idle';
  #outstanding = 0;
  #vixError: number | bigint = 0;
  /** Bytes of the first sector before the request, and of the last one behind it. */
  headBytes = 0;
  tailBytes = 0;
  /** It waited for memory that can't be had: it fails when its payload is there. */
  isRefused = false;
  /** Pieces that share one memory, of zero and cache: the next sector, and the last one's end. */
  #sharedSector = 0;
  #sharedEndSector = 0;

  constructor(host: JobHost, demand: Demand) {
    super();
    this.#host = host;
    this.demand = demand;
  }

  /** Takes `request`: its range in sectors, its unaligned edges. */
  begin(request: DiskRequest, client: DiskClient, reader: Reader): void {
    this.request = request;
    this.client = client;
    this.reader = reader;
    this.stream = undefined;
    this.keeps = false;
    const endBytes = request.offsetBytes + request.lengthBytes;
    this.startSector = Math.floor(request.offsetBytes / SECTOR_BYTES);
    this.endSector = Math.ceil(endBytes / SECTOR_BYTES);
    if (request.op === 'cache') {
      const endSectorMax = this.startSector + PREFETCH_BYTES_MAX / SECTOR_BYTES;
      this.endSector = Math.min(this.endSector, endSectorMax);
    }
    this.headBytes = request.offsetBytes - this.startSector * SECTOR_BYTES;
    this.tailBytes = this.endSector * SECTOR_BYTES - endBytes;
    this.exclusive = request.op === 'write' || request.op === 'zero';
    this.isRefused = false;
    this.#vixError = 0;
    this.#hasRepeated = false;
    this.#sharedSector = 0;
    this.#sharedEndSector = 0;
  }

  /** Whether sectors must be read before they can be written. */
  get hasEdges(): boolean {
    return this.exclusive && (this.headBytes > 0 || this.tailBytes > 0);
  }

  /** Waiter.arrived(). */
  arrived(): void {
    this.#host.arrived(this);
  }

  /** The range is held (or none is needed): on to the library. */
  locked(): void {
    switch (this.request.op) {
      case 'read':
        this.#phase = 'body';
        this.#runSlots(IO_OPS.READ, this.demand.readSlots);
        break;
      case 'cache':
        this.#phase = 'body';
        this.#readForNobody();
        break;
      case 'extents':
        throw new Error('the disk answers extents without a range or pieces');
      case 'flush':
        this.#runFlush();
        break;
      case 'write':
      case 'zero':
        if (this.hasEdges) this.#readEdges();
        else this.#writeBody();
        break;
    }
  }

  /** A library request of this job is settled. */
  pieceSettled(piece: Piece, vixError: number | bigint): void {
    const isRead = this.request.op === 'read' && vixError === 0;
    if (isRead && this.generation !== this.#host.generation) this.#outlived(piece);
    this.#idlePieces.push(piece);
    this.#outstanding--;
    if (vixError !== 0 && this.#vixError === 0) this.#failed(piece, vixError);
    if (vixError === 0 && this.#phase === 'edges') this.#mergeEdge(piece);
    if (this.#phase === 'body' && this.#vixError === 0) this.#runShared();
    if (this.#outstanding > 0) return;
    if (this.#vixError !== 0 || this.#phase === 'flush') this.#finish();
    else if (this.#phase === 'edges') this.#writeBody();
    else if (this.request.fua) this.#runFlush();
    else this.#finish();
  }

  /**
   * A part of `piece` has been read, behind those that are done: whether it is done for good. While
   * no helper has died it need not be, which saves the copy; who repeats then, repeats all.
   */
  partRead(piece: Piece, nrSectors: number): boolean {
    // What is read for nobody is not kept, either, after a death.
    if (this.request.op !== 'read') return this.request.op === 'cache';
    if (this.generation === this.#host.generation) return false;
    this.#putAside(piece, nrSectors);
    return true;
  }

  /** `piece` has been read by another helper than the first of this request. */
  #outlived(piece: Piece): void {
    if (!this.#hasRepeated && this.#vixError === 0) this.#repeatSettled();
    this.#hasRepeated = true;
    this.#putAside(piece, piece.nrSectors - piece.doneSectors);
  }

  /** Those that had settled before the death, once: later ones are put aside as they settle. */
  #repeatSettled(): void {
    const nrSettled = this.demand.readSlots.length - this.#outstanding;
    // They were laid down last.
    for (const piece of this.#idlePieces.splice(this.#idlePieces.length - nrSettled)) {
      this.#runPiece(piece);
    }
  }

  /** `nrSectors` of `piece`, behind those that are done. */
  #putAside({ doneSectors, startSector }: Piece, nrSectors: number): void {
    this.#aside ??= new PutAside((this.endSector - this.startSector) * SECTOR_BYTES);
    const startBytes = (startSector + doneSectors - this.startSector) * SECTOR_BYTES;
    const slot = this.demand.readSlots[Math.floor(startBytes / PIECE_BYTES_MAX)];
    invariant(slot !== undefined, 'the slots of a request cover its sectors');
    const bytes = slot.view(startBytes % PIECE_BYTES_MAX, nrSectors * SECTOR_BYTES);
    this.#aside.put(bytes, startBytes);
  }

  #failed(piece: Piece, vixError: number | bigint): void {
    this.#vixError = vixError;
    if (piece.op === IO_OPS.FLUSH) return;
    const { request } = this;
    request.errorOffsetBytes = Math.max(request.offsetBytes, piece.startSector * SECTOR_BYTES);
  }

  #finish(): void {
    this.#phase = 'idle';
    if (this.#vixError === 0) this.#aside?.restore(this.demand.readSlots);
    this.#aside = undefined;
    this.#host.finished(this, this.#vixError);
  }

  #run(
    op: IoOpNumber,
    startSector: number,
    nrSectors: number,
    arenaOffset: number,
    memory?: JournalMemory,
  ): void {
    const piece = this.#idlePieces.pop() ?? new Piece(this);
    piece.op = op;
    piece.startSector = startSector;
    piece.nrSectors = nrSectors;
    piece.arenaOffset = arenaOffset;
    piece.memory = memory;
    this.#runPiece(piece);
  }

  #runPiece(piece: Piece): void {
    piece.renew();
    this.#outstanding++;
    this.#host.run(piece);
  }

  #runFlush(): void {
    this.#phase = 'flush';
    this.#run(IO_OPS.FLUSH, 0, 0, 0);
  }

  /** The whole range, from or into its slots, one after another. */
  #runSlots(op: IoOpNumber, slots: readonly Slot[]): void {
    const pieceSectors = PIECE_BYTES_MAX / SECTOR_BYTES;
    this.generation = this.#host.generation;
    let sector = this.startSector;
    for (const slot of slots) {
      const nrSectors = Math.min(pieceSectors, this.endSector - sector);
      this.#run(op, sector, nrSectors, slot.offsetBytes, slot);
      sector += nrSectors;
    }
    invariant(sector === this.endSector, 'the slots of a request cover its sectors');
  }

  /** Into slots that stay in the cache, or all into one. */
  #readForNobody(): void {
    if (this.keeps) {
      this.#runSlots(IO_OPS.READ, this.demand.readSlots);
      return;
    }
    this.#sharedSector = this.startSector;
    this.#sharedEndSector = this.endSector;
    this.#runShared();
  }

  /** First sector at the start of the edge slot, last one behind it; the same sector once. */
  #readEdges(): void {
    const slot = this.demand.readSlots[0];
    invariant(slot !== undefined, 'an unaligned write holds a slot for its edges');
    this.#phase = 'edges';
    if (this.request.op === 'zero') {
      const zeroes = this.demand.writeSlots[0];
      invariant(zeroes !== undefined, 'unaligned zeroes hold a slot');
      zeroes.view(0, 2 * SECTOR_BYTES).fill(0);
    }
    const lastSector = this.endSector - 1;
    const onlyTail = this.headBytes === 0;
    if (!onlyTail) this.#run(IO_OPS.READ, this.startSector, 1, slot.offsetBytes);
    if (this.tailBytes > 0 && (onlyTail || lastSector > this.startSector)) {
      this.#run(IO_OPS.READ, lastSector, 1, slot.offsetBytes + SECTOR_BYTES);
    }
  }

  /**
   * An edge was read: what the request does not write of it goes to what is written. At once, for
   * what a helper has read is not to be trusted when it is gone, and the other edge may take long.
   */
  #mergeEdge(piece: Piece): void {
    const edges = this.demand.readSlots[0];
    invariant(edges !== undefined, 'the edge slot is held until the job ends');
    const sector = edges
      .view(0, 2 * SECTOR_BYTES)
      .subarray(piece.arenaOffset - edges.offsetBytes)
      .subarray(0, SECTOR_BYTES);
    const isFirst = piece.startSector === this.startSector;
    if (isFirst) sector.copy(this.#edgeOf(isFirst), 0, 0, this.headBytes);
    if (piece.startSector !== this.endSector - 1) return;
    const fromBytes = SECTOR_BYTES - this.tailBytes;
    sector.copy(this.#edgeOf(isFirst && this.headBytes > 0), fromBytes, fromBytes);
  }

  /** Where the first or the last sector is that will be written. */
  #edgeOf(isFirst: boolean): Buffer {
    const slots = this.demand.writeSlots;
    const slot = isFirst ? slots[0] : slots.at(-1);
    invariant(slot !== undefined, 'what has edges holds a slot');
    if (isFirst) return slot.view(0, slot.sizeBytes).subarray(0, SECTOR_BYTES);
    // Unaligned zeroes have their last sector behind the first, whatever is between them.
    const rangeBytes =
      this.request.op === 'zero'
        ? 2 * SECTOR_BYTES
        : (this.endSector - this.startSector) * SECTOR_BYTES - (slots.length - 1) * PIECE_BYTES_MAX;
    return slot.view(0, slot.sizeBytes).subarray(rangeBytes - SECTOR_BYTES, rangeBytes);
  }

  #writeBody(): void {
    this.#phase = 'body';
    if (this.request.op === 'write') {
      this.#runSlots(IO_OPS.WRITE, this.demand.writeSlots);
      return;
    }
    this.#sharedSector = this.startSector;
    this.#sharedEndSector = this.endSector;
    if (this.hasEdges) this.#writeZeroEdges();
    this.#runShared();
  }

  /** The first and last sector of unaligned zeroes, merged; the rest is #runShared()'s. */
  #writeZeroEdges(): void {
    const slot = this.demand.writeSlots[0];
    invariant(slot !== undefined, 'unaligned zeroes hold a slot');
    const lastSector = this.endSector - 1;
    const onlyTail = this.headBytes === 0;
    if (!onlyTail) {
      this.#run(IO_OPS.WRITE, this.startSector, 1, slot.offsetBytes, slot);
      this.#sharedSector++;
    }
    if (this.tailBytes > 0 && (onlyTail || lastSector > this.startSector)) {
      this.#run(IO_OPS.WRITE, lastSector, 1, slot.offsetBytes + SECTOR_BYTES, slot);
      this.#sharedEndSector--;
    }
  }

  /** More pieces of zeroes, or of what is read for nobody, as many as may be in flight. */
  #runShared(): void {
    const { op } = this.request;
    while (
      this.#sharedSector < this.#sharedEndSector &&
      this.#outstanding < SHARED_PIECES_IN_FLIGHT_MAX
    ) {
      const nrSectors = Math.min(
        PIECE_BYTES_MAX / SECTOR_BYTES,
        this.#sharedEndSector - this.#sharedSector,
      );
      const sector = this.#sharedSector;
      this.#sharedSector += nrSectors;
      if (op === 'zero') this.#run(IO_OPS.WRITE, sector, nrSectors, this.#host.zeroOffsetBytes);
      else this.#run(IO_OPS.READ, sector, nrSectors, this.demand.readSlots[0]?.offsetBytes ?? 0);
    }
  }
}
