// A client connection of a simulation: sends requests of all kinds over a few cells of the disk,
// so that many of them overlap, and tells the model when they began and what became of them.
// The rule: it is a legal client of the Disk seam, as the server is, and no more patient than that.
import {
  type Disk,
  type DiskClient,
  type DiskOp,
  DiskRequest,
  type DiskSession,
  EXTENT_ZERO,
} from '../../src/disk/disk.js';
import type { Host } from './host.js';
import { type Model, Violation, type WriteRecord } from './model.js';
import type { Plan } from './plan.js';
import type { Random } from './random.js';
import type { World } from './world.js';

/** What the clients of one run share. */
export interface ClientSetting {
  world: World;
  random: Random;
  plan: Plan;
  model: Model;
  host: Host;
  disk: Disk;
  fail: (violation: Violation) => void;
  /** A write or zeroes begin. */
  begins: (request: SimRequest) => void;
  /** Whether this request may fail. */
  mayFail: (request: SimRequest) => boolean;
  /** Requests for which the library must flush, until they are answered. */
  flushing: Set<SimRequest>;
  /** Requests that clients may still begin, together. */
  budget: { left: number };
  /** A line for the trace. */
  note: (text: string) => void;
  /** What was answered. */
  answered: { requests: number; errors: number; zeroExtents: number };
}

export class SimRequest extends DiskRequest {
  name = '';
  firstCell = 0;
  endCell = 0;
  beganAt = 0;
  write: WriteRecord | undefined;
  state: 'waiting' | 'receiving' | 'running' | 'answered' = 'waiting';
  /** Its connection has gone away. */
  isOrphan = false;
}

function isChanging({ op }: SimRequest): boolean {
  return op === 'write' || op === 'zero';
}

/** The disk gives back what it was given. */
function ours(request: DiskRequest): SimRequest {
  if (request instanceof SimRequest) return request;
  throw new Violation('the disk has answered a request that is not of this client');
}

/** Bytes that no other write has, as far as a byte can tell. */
function payloadOf(lengthBytes: number, random: Random): Buffer {
  const bytes = Buffer.allocUnsafe(lengthBytes);
  let state = random.below(2 ** 32) | 1;
  const words = lengthBytes >> 2;
  for (let word = 0; word < words; word++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state, word * 4);
  }
  for (let at = words * 4; at < lengthBytes; at++) bytes[at] = (state >>> ((at & 3) * 8)) | 1;
  return bytes;
}

export class SimClient implements DiskClient {
  readonly #setting: ClientSetting;
  readonly #random: Random;
  readonly #name: string;
  #session: DiskSession;
  readonly #open = new Set<SimRequest>();
  #waiting: SimRequest | undefined;
  #count = 0;
  /** The cell behind the last read. */
  #lastReadCell = 0;
  #isThinking = false;

  constructor(setting: ClientSetting, name: string) {
    this.#setting = setting;
    this.#random = setting.random.fork();
    this.#name = name;
    this.#session = setting.disk.session(this);
    this.#think();
  }

  /** The memory of its reads that are answered. */
  get lent(): Buffer[] {
    const isAnswered = ({ op, state }: SimRequest): boolean =>
      op === 'read' && state === 'answered';
    return [...this.#open].filter(isAnswered).flatMap(({ pieces }) => pieces);
  }

  get isDone(): boolean {
    return this.#setting.budget.left === 0 && this.#open.size === 0;
  }

  granted(request: DiskRequest): void {
    this.#waiting = undefined;
    this.#granted(ours(request));
    this.#think();
  }

  completed(request: DiskRequest): void {
    const it = ours(request);
    const { world, note, answered, mayFail, fail } = this.#setting;
    note(`${it.name} ${it.error ?? 'done'}`);
    it.state = 'answered';
    this.#setting.flushing.delete(it);
    answered.requests++;
    if (it.error !== undefined) {
      answered.errors++;
      if (!mayFail(it)) fail(new Violation(`${it.name} fails: ${it.errorText}`));
    }
    try {
      this.#judge(it);
    } catch (thrown) {
      if (!(thrown instanceof Violation)) throw thrown;
      fail(new Violation(`${it.name}: ${thrown.message}`));
    }
    const bytes = Buffer.concat(it.pieces);
    const release = (): void => {
      if (!Buffer.concat(it.pieces).equals(bytes)) {
        fail(new Violation(`${it.name}: its bytes have changed before they left`));
      }
      this.#open.delete(it);
      this.#sessionOf(it).release(it);
      this.#think();
    };
    // The reply leaves when the client takes it.
    if (it.isOrphan || this.#random.chance(0.5)) release();
    else {
      world.outside(this.#random.next() * this.#setting.plan.thinkMs, () => {
        world.arrive(release);
      });
    }
  }

  /** Sessions by request: one that has gone away still has to release. */
  readonly #sessions = new WeakMap<SimRequest, DiskSession>();

  #sessionOf(request: SimRequest): DiskSession {
    return this.#sessions.get(request)!;
  }

  /** It sends more in a while, if it may send anything then. */
  #think(): void {
    const { world, plan, budget } = this.#setting;
    if (this.#isThinking || this.#waiting !== undefined || this.#open.size >= plan.depth) return;
    this.#isThinking = true;
    world.outside(this.#random.next() * 2 * plan.thinkMs, () => {
      world.arrive(() => {
        this.#isThinking = false;
        if (budget.left === 0) return;
        this.#act();
        this.#think();
      });
    });
  }

  #act(): void {
    const { plan, world, note, budget } = this.#setting;
    if (this.#random.chance(plan.pause)) {
      const pauseMs = this.#random.next() * plan.pauseMs;
      note(`pause of ${Math.round(pauseMs)} ms`);
      world.pause(pauseMs);
    }
    if (this.#random.chance(plan.disconnect)) this.#disconnect();
    const burst = 1 + this.#random.below(plan.depth);
    for (let n = 0; n < burst && budget.left > 0; n++) {
      if (this.#waiting !== undefined || this.#open.size >= plan.depth) return;
      budget.left--;
      this.#begin(this.#newRequest());
    }
  }

  #newOp(): DiskOp {
    const { plan } = this.#setting;
    if (this.#random.chance(plan.flushShare)) return 'flush';
    if (this.#random.chance(plan.extentsShare)) return 'extents';
    if (this.#random.chance(plan.cacheShare)) return 'cache';
    if (this.#random.chance(plan.readShare)) return 'read';
    return this.#random.chance(0.25) ? 'zero' : 'write';
  }

  #newRequest(): SimRequest {
    const { plan, model } = this.#setting;
    const request = new SimRequest();
    request.op = this.#newOp();
    request.name = `${this.#name}.${++this.#count} ${request.op}`;
    if (request.op === 'flush') return request;
    const cells = 1 + this.#random.below(Math.min(plan.cellsMax, model.cellCount));
    request.firstCell = this.#random.below(model.cellCount - cells + 1);
    if (request.op === 'read') {
      const follows = this.#lastReadCell + cells <= model.cellCount;
      if (follows && this.#random.chance(plan.streakShare)) request.firstCell = this.#lastReadCell;
      this.#lastReadCell = request.firstCell + cells;
    }
    request.endCell = request.firstCell + cells;
    request.offsetBytes = model.offsetOf(request.firstCell);
    request.lengthBytes = model.lengthOf(request.firstCell, request.endCell);
    request.fua = isChanging(request) && this.#random.chance(plan.fuaShare);
    request.extentsMax = 1 + this.#random.below(8);
    const flag = request.fua ? ' FUA' : '';
    request.name += `${flag} ${request.offsetBytes}+${request.lengthBytes}`;
    return request;
  }

  #begin(request: SimRequest): void {
    const { model, note } = this.#setting;
    note(`${request.name} begins`);
    if (request.op === 'flush') request.beganAt = model.moment();
    else if (!isChanging(request)) model.readBegins(request);
    else {
      const bytes =
        request.op === 'write' ? payloadOf(request.lengthBytes, this.#random) : undefined;
      const { firstCell, endCell, name } = request;
      request.write = model.writeBegins(firstCell, endCell, bytes, name);
      this.#setting.begins(request);
    }
    this.#open.add(request);
    if (request.op === 'flush' || request.fua) this.#setting.flushing.add(request);
    this.#sessions.set(request, this.#session);
    if (this.#session.begin(request)) this.#granted(request);
    else this.#waiting = request;
  }

  /** What carries no payload may be answered already. */
  #granted(request: SimRequest): void {
    if (request.op !== 'write') {
      if (request.state === 'waiting') request.state = 'running';
      return;
    }
    request.state = 'receiving';
    const { world, plan } = this.#setting;
    const receivingMs = this.#random.chance(0.7) ? 0 : this.#random.next() * plan.thinkMs;
    if (receivingMs === 0) this.#submit(request);
    else {
      world.outside(receivingMs, () => {
        world.arrive(() => {
          this.#submit(request);
        });
      });
    }
  }

  #submit(request: SimRequest): void {
    if (request.isOrphan) return;
    let atBytes = 0;
    for (const piece of request.pieces) atBytes += request.write!.bytes!.copy(piece, 0, atBytes);
    request.state = 'running';
    this.#sessionOf(request).submit(request);
  }

  /** What was sent whole still happens; the rest has never been. */
  #disconnect(): void {
    this.#setting.note(`${this.#name} goes away`);
    for (const request of this.#open) {
      if (request.state === 'running' || request.state === 'answered') {
        request.isOrphan = request.state === 'running';
        continue;
      }
      request.isOrphan = true;
      this.#open.delete(request);
      this.#setting.flushing.delete(request);
      if (request.write) this.#setting.model.writeNeverWas(request.write);
      else this.#setting.model.readIsOver(request);
      this.#sessionOf(request).abandon(request);
    }
    this.#waiting = undefined;
    this.#session.end();
    this.#session = this.#setting.disk.session(this);
    this.#think();
  }

  #judge(request: SimRequest): void {
    const { model, host } = this.#setting;
    const failed = request.error !== undefined;
    if (request.op === 'read' && !failed) {
      const bytes = Buffer.concat(request.pieces);
      model.readEnds(request, request.firstCell, request.endCell, bytes);
    } else if (request.op === 'extents' && !failed) {
      this.#judgeExtents(request);
      model.readIsOver(request);
    } else if (request.op === 'read' || request.op === 'extents' || request.op === 'cache') {
      model.readIsOver(request);
    } else if (request.op === 'flush') {
      if (failed) return;
      model.flushEnds(request.beganAt);
      model.durable(host.durable);
    } else {
      model.writeEnds(request.write!, { failed, fua: request.fua });
      if (request.fua && !failed) model.durable(host.durable);
    }
  }

  /** What is called zero must read as zeroes; the rest may be anything. */
  #judgeExtents(request: SimRequest): void {
    const { extents, lengthBytes, offsetBytes } = request;
    let atBytes = offsetBytes;
    for (let i = 0; i < extents.length; i += 2) {
      const [extentBytes = 0, state = 0] = [extents[i], extents[i + 1]];
      if (extentBytes <= 0) throw new Violation('an extent is empty');
      const endBytes = atBytes + extentBytes;
      if ((state & EXTENT_ZERO) !== 0) {
        this.#setting.model.zeroesAt(request, atBytes, endBytes);
        this.#setting.answered.zeroExtents++;
      }
      atBytes = endBytes;
    }
    if (atBytes === offsetBytes || atBytes > offsetBytes + lengthBytes) {
      throw new Violation(`extents of ${atBytes - offsetBytes} bytes`);
    }
  }
}
