// One DiskRequest on its way through the disk over a helper: memory, range lock, library requests
// of at most PIECE_BYTES_MAX each, and the edges of what is not sector aligned. HelperDisk keeps a
// pool of these records. The rule: from locked() until the last piece has settled the range is
// held, so that nobody changes a sector between the reading of an edge and its writing.
import type { Demand } from '../arena/grants.js';
import {
  PIECE_BYTES_MAX,
  PREFETCH_BYTES_MAX,
  SECTOR_BYTES,
  SHARED_PIECES_IN_FLIGHT_MAX,
} from '../base/limits.js';
import { invariant } from '../base/errors.js';
import { IO_OPS, type IoOpNumber } from '../helper/protocol.js';
import { LockedRange } from '../supervisor/range-lock.js';
import { SupervisedIo } from '../supervisor/supervised-io.js';
import type { DiskClient, DiskRequest } from './disk.js';

/** What a job needs of its disk. */
export interface JobHost {
  /** Where the write arena holds PIECE_BYTES_MAX of zeroes. */
  readonly zeroOffsetBytes: number;
  run(piece: Piece): void;
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
}

type Phase = 'idle' | 'edges' | 'body' | 'flush';

/** The progress of one request. Fields are set by begin() and reset by the disk's pool. */
export class Job extends LockedRange {
  request!: DiskRequest;
  client!: DiskClient;
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
  begin(request: DiskRequest, client: DiskClient): void {
    this.request = request;
    this.client = client;
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
    this.#sharedSector = 0;
    this.#sharedEndSector = 0;
  }

  /** Whether sectors must be read before they can be written. */
  get hasEdges(): boolean {
    return this.exclusive && (this.headBytes > 0 || this.tailBytes > 0);
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
        this.#sharedSector = this.startSector;
        this.#sharedEndSector = this.endSector;
        this.#runShared();
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
    this.#idlePieces.push(piece);
    this.#outstanding--;
    if (vixError !== 0 && this.#vixError === 0) this.#failed(piece, vixError);
    if (this.#phase === 'body' && this.#vixError === 0) this.#runShared();
    if (this.#outstanding > 0) return;
    if (this.#vixError !== 0 || this.#phase === 'flush') this.#finish();
    else if (this.#phase === 'edges') this.#mergeEdges();
    else if (this.request.fua) this.#runFlush();
    else this.#finish();
  }

  #failed(piece: Piece, vixError: number | bigint): void {
    this.#vixError = vixError;
    if (piece.op === IO_OPS.FLUSH) return;
    const { request } = this;
    request.errorOffsetBytes = Math.max(request.offsetBytes, piece.startSector * SECTOR_BYTES);
  }

  #finish(): void {
    this.#phase = 'idle';
    this.#host.finished(this, this.#vixError);
  }

  #run(
    op: IoOpNumber,
    startSector: number,
    nrSectors: number,
    arenaOffset: number,
    memory?: object,
  ): void {
    const piece = this.#idlePieces.pop() ?? new Piece(this);
    piece.op = op;
    piece.startSector = startSector;
    piece.nrSectors = nrSectors;
    piece.arenaOffset = arenaOffset;
    piece.memory = memory;
    piece.renew();
    this.#outstanding++;
    this.#host.run(piece);
  }

  #runFlush(): void {
    this.#phase = 'flush';
    this.#run(IO_OPS.FLUSH, 0, 0, 0);
  }

  /** The whole range, from or into its slots, one after another. */
  #runSlots(op: IoOpNumber, slots: readonly { offsetBytes: number }[]): void {
    const pieceSectors = PIECE_BYTES_MAX / SECTOR_BYTES;
    let sector = this.startSector;
    for (const slot of slots) {
      const nrSectors = Math.min(pieceSectors, this.endSector - sector);
      this.#run(op, sector, nrSectors, slot.offsetBytes, slot);
      sector += nrSectors;
    }
    invariant(sector === this.endSector, 'the slots of a request cover its sectors');
  }

  /** First sector at the start of the edge slot, last one behind it; the same sector once. */
  #readEdges(): void {
    const slot = this.demand.readSlots[0];
    invariant(slot !== undefined, 'an unaligned write holds a slot for its edges');
    this.#phase = 'edges';
    const lastSector = this.endSector - 1;
    const onlyTail = this.headBytes === 0;
    if (!onlyTail) this.#run(IO_OPS.READ, this.startSector, 1, slot.offsetBytes);
    if (this.tailBytes > 0 && (onlyTail || lastSector > this.startSector)) {
      this.#run(IO_OPS.READ, lastSector, 1, slot.offsetBytes + SECTOR_BYTES);
    }
  }

  /** The sectors that were read, without the part that the request writes. */
  #mergeEdges(): void {
    const edges = this.demand.readSlots[0];
    invariant(edges !== undefined, 'the edge slot is held until the job ends');
    const single = this.endSector - this.startSector === 1 && this.headBytes > 0;
    const tailAtBytes = (single ? 1 : 2) * SECTOR_BYTES - this.tailBytes;
    const head = edges.view(0, 2 * SECTOR_BYTES).subarray(0, this.headBytes);
    const tail = edges
      .view(0, 2 * SECTOR_BYTES)
      .subarray(tailAtBytes, tailAtBytes + this.tailBytes);
    if (this.request.op === 'write') {
      const first = this.demand.writeSlots[0];
      const last = this.demand.writeSlots.at(-1);
      invariant(first !== undefined && last !== undefined, 'a write holds slots');
      const lastBytes =
        (this.endSector - this.startSector) * SECTOR_BYTES -
        (this.demand.writeSlots.length - 1) * PIECE_BYTES_MAX;
      head.copy(first.view(0, first.sizeBytes));
      tail.copy(last.view(0, last.sizeBytes), lastBytes - this.tailBytes);
    } else {
      const slot = this.demand.writeSlots[0];
      invariant(slot !== undefined, 'unaligned zeroes hold a slot');
      const sectors = slot.view(0, 2 * SECTOR_BYTES).fill(0);
      head.copy(sectors);
      tail.copy(sectors, tailAtBytes);
    }
    this.#writeBody();
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
