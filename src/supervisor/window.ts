// What one helper has of us: every request passes here on its way in and out. It keeps within what
// the library can take at once, and repeats, in smaller parts, what the library had no memory for.
// Each session has one. The rule: nobody above ever sees that a library was out of memory. What a
// dead helper has done of a request is not done again where that is safe, or a library that dies
// more often than a request has parts would never get to its end.
import { SECTOR_BYTES } from '../base/limits.js';
import type { Helper, HelperIo } from '../helper/helper.js';
import { IO_OPS, type IoOpNumber } from '../helper/protocol.js';
import type { ErrorPolicy } from './error-policy.js';
import type { RequestLimits } from './request-limits.js';
import { type AnswerWindow, SupervisedIo } from './supervised-io.js';

export interface WindowOptions {
  helper: Helper;
  limits: RequestLimits;
  errors: ErrorPolicy;
  /** The limits have fallen. */
  lowered: () => void;
  /** Not even the smallest request alone gets memory. */
  exhausted: () => void;
  /** Nothing is in the helper, and nothing waits here. */
  idle: () => void;
}

/** A part of a request that is too long for a library short of memory. One part at a time. */
class Part extends SupervisedIo {
  op: IoOpNumber;
  readonly whole: SupervisedIo;

  constructor(whole: SupervisedIo) {
    super();
    this.whole = whole;
    this.op = whole.op;
    this.doneSectors = whole.doneSectors;
  }

  /** The next part, of at most `sectorsMax`; false if all is done. */
  next(sectorsMax: number): boolean {
    const { startSector, nrSectors, arenaOffset } = this.whole;
    if (this.doneSectors === nrSectors) return false;
    this.startSector = startSector + this.doneSectors;
    this.nrSectors = Math.min(sectorsMax, nrSectors - this.doneSectors);
    this.arenaOffset = arenaOffset + this.doneSectors * SECTOR_BYTES;
    return true;
  }

  settled(): void {
    return;
  }
}

export class HelperWindow implements AnswerWindow {
  readonly #options: WindowOptions;
  /** Requests in the helper; parts count as one each. */
  #inFlight = 0;
  /** The sectors of them. */
  #sectorsInFlight = 0;
  /** In the helper as calls, which it does not hand out as I/O requests. */
  readonly #calls = new Set<SupervisedIo>();
  #queue: SupervisedIo[] = [];
  #queueHead = 0;

  constructor(options: WindowOptions) {
    this.#options = options;
    options.limits.renewed();
  }

  get isIdle(): boolean {
    return this.#inFlight === 0 && this.#queued === 0;
  }

  /** How many requests are in the helper. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether one more of `nrSectors`, which nobody waits for, leaves room for those that are. */
  hasRoomFor(nrSectors: number): boolean {
    const { depthMax, requestSectorsMax, sectorsInFlightMax } = this.#options.limits;
    return (
      this.#queued === 0 &&
      this.#inFlight + 1 < depthMax &&
      nrSectors <= requestSectorsMax &&
      2 * (this.#sectorsInFlight + nrSectors) <= sectorsInFlightMax
    );
  }

  get #queued(): number {
    return this.#queue.length - this.#queueHead;
  }

  /** Sends `io`, now or when there is room; its judge gets the answer. */
  send(io: SupervisedIo): void {
    const { limits } = this.#options;
    io.window = this;
    const isWhole = io.nrSectors <= limits.requestSectorsMax && io.doneSectors === 0;
    if (this.#queued === 0 && isWhole && this.#fits(io)) {
      this.#handOver(io);
      return;
    }
    this.#queue.push(io);
    this.#pump();
  }

  /** An answer of the helper. */
  completed(io: SupervisedIo, vixError: number | bigint): void {
    const { limits, errors } = this.#options;
    const inFlight = this.#inFlight--;
    this.#sectorsInFlight -= io.nrSectors;
    if (io.isCall) this.#calls.delete(io);
    else if (vixError !== 0 && isMemoryError(io, vixError, errors)) {
      this.#outOfMemory(io, inFlight);
      return;
    }
    if (vixError === 0 && limits.areLowered) limits.succeeded();
    if (io instanceof Part) this.#partDone(io, vixError);
    else io.judge?.answered(io, vixError);
    if (this.#queued > 0) this.#pump();
    else if (this.#inFlight === 0) this.#options.idle();
  }

  /** Everything that is not answered: in the helper, and never there. For the next helper. */
  takeAll(): { inFlight: SupervisedIo[]; queued: SupervisedIo[] } {
    const { helper } = this.#options;
    const inFlight = helper
      .takeInFlight()
      .filter(isSupervised)
      .concat(...this.#calls)
      .map(wholeOf);
    const waiting = this.#queue.slice(this.#queueHead);
    const queued = helper.takeUnsent().filter(isSupervised).concat(waiting).map(wholeOf);
    this.#queue = [];
    this.#queueHead = 0;
    this.#calls.clear();
    this.#inFlight = 0;
    this.#sectorsInFlight = 0;
    return { inFlight, queued };
  }

  /** Whether the library may have `io` too; it may always have one. */
  #fits({ nrSectors }: SupervisedIo): boolean {
    const { depthMax, requestSectorsMax, sectorsInFlightMax } = this.#options.limits;
    const sectors = this.#sectorsInFlight + Math.min(nrSectors, requestSectorsMax);
    if (this.#inFlight === 0) return true;
    return this.#inFlight < depthMax && sectors <= sectorsInFlightMax;
  }

  #handOver(io: SupervisedIo): void {
    this.#inFlight++;
    this.#sectorsInFlight += io.nrSectors;
    if (io.isCall) this.#calls.add(io);
    io.send(this.#options.helper);
  }

  /** Sends what waits, as far as the limits allow. */
  #pump(): void {
    while (this.#queued > 0) {
      const io = this.#queue[this.#queueHead];
      if (io === undefined || !this.#fits(io)) break;
      this.#queueHead++;
      if (this.#queueHead === this.#queue.length) {
        this.#queue = [];
        this.#queueHead = 0;
      }
      this.#handOver(this.#cut(io));
    }
  }

  /** `io`, or its next part if it is too long or has begun in parts. */
  #cut(io: SupervisedIo): SupervisedIo {
    const { requestSectorsMax } = this.#options.limits;
    if (io.nrSectors <= requestSectorsMax && io.doneSectors === 0) return io;
    const part = io instanceof Part ? io : new Part(io);
    part.window = this;
    part.next(requestSectorsMax);
    return part;
  }

  #partDone(part: Part, vixError: number | bigint): void {
    const { whole, nrSectors } = part;
    const isNext = part.doneSectors === whole.doneSectors;
    part.doneSectors += nrSectors;
    if (vixError !== 0 || !part.next(this.#options.limits.requestSectorsMax)) {
      whole.judge?.answered(whole, vixError);
      return;
    }
    if (isNext && whole.judge?.partSucceeded(whole, nrSectors) === true) {
      whole.doneSectors = part.doneSectors;
    }
    this.#handOver(part);
  }

  /** Again, in front of all others. */
  #outOfMemory(io: SupervisedIo, inFlight: number): void {
    const { limits, lowered, exhausted } = this.#options;
    const isExhausted = limits.isExhaustedBy(io.nrSectors, inFlight);
    if (this.#queueHead > 0) this.#queue[--this.#queueHead] = io;
    else this.#queue.unshift(io);
    if (isExhausted) {
      exhausted();
      return;
    }
    if (limits.failed(io.nrSectors, inFlight)) lowered();
    this.#pump();
  }
}

/** Whether `io` failed because it was too much at once. A flush is always the same. */
function isMemoryError(io: SupervisedIo, vixError: number | bigint, errors: ErrorPolicy): boolean {
  return io.op !== IO_OPS.FLUSH && errors.whileServing(vixError) === 'memory';
}

function isSupervised(io: HelperIo): io is SupervisedIo {
  return io instanceof SupervisedIo;
}

function wholeOf(io: SupervisedIo): SupervisedIo {
  const whole = io instanceof Part ? io.whole : io;
  whole.lastSector = io.startSector;
  return whole;
}
