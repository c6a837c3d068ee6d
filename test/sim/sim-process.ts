// A helper and the library in it, simulated: one library thread, requests in flight that complete
// in any order, a control stream that keeps its order, and one life that ends as chance has it.
// Its bytes go through the arenas' descriptors, as a real helper's do.
// The rule: it only does what a real one could do. What the program does to it that it must not do
// (a second request over one in flight, a kill without a reason) is a violation.
import { readSync, writeSync } from 'node:fs';
import { VddkNbdError } from '../../src/base/errors.js';
import { PIECE_BYTES_MAX } from '../../src/base/limits.js';
import {
  type Helper,
  HelperCallError,
  type HelperEnd,
  type HelperIo,
} from '../../src/helper/helper.js';
import { type CallOp, type Calls, IO_OPS } from '../../src/helper/protocol.js';
import { SECTOR_BYTES, type Session, type Unflushed } from './host.js';
import type { Random } from './random.js';
import { Violation } from './model.js';
import { scribble } from './scribble.js';
import type { Setting } from './setting.js';

const VIX_E_OUT_OF_MEMORY = 2;
const VIX_E_FILE_ERROR = 7;
const VIX_E_FILE_ALREADY_LOCKED = 15;
const VIX_E_HOST_CONNECTION_LOST = 36;
const VIX_E_HOST_SERVER_NOT_AVAILABLE = 14015;

const FUNCTIONS = ['Flush', 'QueryAllocatedBlocks'];

/** From one end of the control stream to the other. */
const STREAM_MS = 0.02;

type Work = { io: HelperIo } | { op: CallOp; answer: (result: unknown) => void };

/** Where in a request the process dies. */
type DeathPoint = 'before' | 'inside' | 'unanswered' | 'answered';

export class SimProcess implements Helper {
  readonly pid: number;
  readonly ended: Promise<HelperEnd>;
  readonly #setting: Setting;
  readonly #random: Random;
  #resolveEnded!: (end: HelperEnd) => void;
  #isGone = false;
  #killedFor: string | undefined;
  #isInputEnded = false;
  /** Why it may be killed; undefined: it is healthy. */
  #excuse: string | undefined;
  #session: Session | undefined;
  #isSessionLost = false;
  readonly #unanswered = new Set<HelperIo>();
  readonly #unsent: HelperIo[] = [];
  readonly #calls = new Set<(error: Error) => void>();
  readonly #queue: Work[] = [];
  /** In the library, oldest first. */
  readonly #active = new Map<HelperIo, { sinceMs: number; number: number }>();
  /** Flushes that run beside other requests, and what each will write. */
  readonly #flushings = new Map<HelperIo, Unflushed | undefined>();
  /** In a call that runs alone. */
  #isBusy = false;
  /** The library does nothing any more. */
  #isStuck = false;
  /** The process answers nothing any more, not even a PING. */
  #isFrozen = false;
  #callSinceMs = 0;
  #callName = '';
  #hadOpened = false;
  #iosLeft: number;
  #count = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
    this.#random = setting.random.fork();
    setting.tally.lives++;
    this.pid = setting.tally.lives;
    this.#iosLeft = this.#random.until(setting.plan.iosPerLife);
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    // Before the program hears of it.
    void this.ended.then(() => {
      if (this.#hadOpened) scribble(setting);
    });
  }

  call<Op extends CallOp>(op: Op): Promise<Calls[Op]['result']> {
    return new Promise((resolve, reject) => {
      if (this.#isMute) {
        reject(new VddkNbdError('HELPER', 'the helper ended'));
        return;
      }
      this.#calls.add(reject);
      const answer = (result: unknown): void => {
        this.#send(() => {
          this.#calls.delete(reject);
          if (result instanceof Error) reject(result);
          else resolve(result as Calls[Op]['result']);
        });
      };
      this.#receive(() => {
        if (op === 'PING') answer(this.#pong());
        else this.#enqueue({ op, answer });
      });
    });
  }

  io(io: HelperIo): void {
    this.#check(io);
    if (this.#isMute) {
      this.#unsent.push(io);
      return;
    }
    this.#unanswered.add(io);
    this.#receive(() => {
      this.#enqueue({ io });
    });
  }

  kill(reason: string): void {
    if (this.#killedFor !== undefined) return;
    this.#killedFor = reason;
    this.#setting.note(`helper ${this.pid} is killed: ${reason}`);
    for (const reject of this.#calls) reject(new VddkNbdError('HELPER', `the helper ${reason}`));
    this.#calls.clear();
    if (this.#isGone) return;
    this.#setting.tally.kills++;
    if (this.#excuse === undefined && !this.#setting.isClosing()) {
      this.#setting.fail(new Violation(`a healthy helper is killed, because it ${reason}`));
    }
    this.#setting.world.outside(this.#random.next() * this.#setting.plan.exitMs, () => {
      this.#die('SIGKILL');
    });
  }

  endInput(): void {
    this.#isInputEnded = true;
    this.#setting.world.outside(STREAM_MS, () => {
      this.#die(undefined);
    });
  }

  takeInFlight(): HelperIo[] {
    const ios = [...this.#unanswered];
    this.#unanswered.clear();
    return ios;
  }

  takeUnsent(): HelperIo[] {
    return this.#unsent.splice(0);
  }

  get #isMute(): boolean {
    return this.#killedFor !== undefined || this.#isInputEnded || this.#isGone;
  }

  /** The helper answers for its library, however stuck that is. */
  #pong(): Calls['PING']['result'] {
    const nowMs = this.#setting.world.nowMs();
    const inCallMs = this.#callName === '' ? 0 : nowMs - this.#callSinceMs;
    const oldest = [...this.#active.values()][0];
    const oldestIoMs = oldest === undefined ? 0 : Math.max(nowMs - oldest.sinceMs, 1);
    return { inCallMs, call: this.#callName, oldestIoMs, oldestIo: oldest?.number ?? 0 };
  }

  /** Something comes through the control stream to the helper. */
  #receive(message: () => void): void {
    this.#setting.world.outside(STREAM_MS, () => {
      if (!this.#isGone && !this.#isFrozen) message();
    });
  }

  /** Something comes through the control stream from the helper. */
  #send(message: () => void): void {
    if (this.#isGone || this.#isFrozen) return;
    this.#setting.world.arrive(() => {
      if (this.#killedFor === undefined) message();
    });
  }

  #answer(io: HelperIo, vixError: number): void {
    this.#send(() => {
      if (!this.#unanswered.delete(io)) return;
      io.done(vixError);
    });
  }

  #check(io: HelperIo): void {
    const { host, readArenaBytes, arenaBytes, plan, fail } = this.#setting;
    if (this.#session === undefined && !this.#isMute && !this.#isSessionLost) {
      fail(new Violation('a request is made before the disk is open'));
    }
    if (io.op === IO_OPS.FLUSH) return;
    const endSector = io.startSector + io.nrSectors;
    const isInside =
      io.nrSectors > 0 &&
      io.startSector >= 0 &&
      endSector * SECTOR_BYTES <= host.durable.length &&
      io.nrSectors * SECTOR_BYTES <= PIECE_BYTES_MAX &&
      io.arenaOffset + io.nrSectors * SECTOR_BYTES <=
        (io.op === IO_OPS.READ ? readArenaBytes : arenaBytes);
    if (!isInside) fail(new Violation('a request is outside of the disk or its arena'));
    if (!plan.checksOrder) return;
    for (const other of this.#unanswered) {
      if (other.op === IO_OPS.FLUSH) continue;
      if (io.op === IO_OPS.READ && other.op === IO_OPS.READ) continue;
      if (io.startSector >= other.startSector + other.nrSectors) continue;
      if (other.startSector >= endSector) continue;
      fail(new Violation('two requests that overlap, of which one writes, are in the helper'));
    }
  }

  #enqueue(work: Work): void {
    this.#queue.push(work);
    this.#pump();
  }

  /** The library thread: submits what it can; calls and flushes wait until it is drained. */
  #pump(): void {
    while (!this.#isGone && !this.#isStuck && !this.#isBusy) {
      const work = this.#queue[0];
      if (work === undefined) return;
      const isFlush = 'io' in work && work.io.op === IO_OPS.FLUSH;
      const isAlone = !('io' in work) || (isFlush && !this.#setting.plan.flushOverlaps);
      if (isAlone && this.#active.size > 0) return;
      this.#queue.shift();
      if ('io' in work) this.#submit(work.io);
      else this.#runCall(work.op, work.answer);
    }
  }

  // --- I/O ----------------------------------------------------------------------------------

  #submit(io: HelperIo): void {
    const { plan, tally } = this.#setting;
    tally.ios++;
    const isFlush = io.op === IO_OPS.FLUSH;
    const death = this.#deathIn(io);
    if (death === 'before') {
      this.#begin(io);
      this.#die('SIGSEGV');
      return;
    }
    if (!isFlush && this.#isOutOfMemory(io)) {
      tally.outOfMemory++;
      this.#answer(io, VIX_E_OUT_OF_MEMORY);
      return;
    }
    if (this.#random.chance(plan.hang)) {
      this.#hang();
      this.#begin(io);
      return;
    }
    this.#begin(io);
    if (isFlush && plan.flushOverlaps) this.#flushings.set(io, this.#session?.beginFlush());
    else if (isFlush) this.#enter('Flush');
    const [lowMs, highMs] = isFlush ? plan.flushMs : plan.ioMs;
    this.#setting.world.outside(this.#random.between(lowMs, highMs), () => {
      if (!this.#isGone && !this.#isFrozen) this.#complete(io, death);
    });
  }

  #begin(io: HelperIo): void {
    this.#active.set(io, { sinceMs: this.#setting.world.nowMs(), number: ++this.#count });
  }

  #complete(io: HelperIo, death: DeathPoint | undefined): void {
    if (death === 'inside') {
      this.#die('SIGSEGV');
      return;
    }
    const vixError = this.#isSessionLost ? VIX_E_HOST_CONNECTION_LOST : this.#perform(io);
    if (vixError !== 0) this.#excuse = `answered ${vixError}`;
    this.#active.delete(io);
    if (io.op === IO_OPS.FLUSH && !this.#flushings.delete(io)) this.#leave();
    if (death === 'unanswered') {
      this.#die('SIGABRT');
      return;
    }
    const isLost = this.#random.chance(this.#setting.plan.lostReply);
    if (isLost) {
      this.#setting.tally.lostReplies++;
      this.#excuse = 'lost a reply';
      // The library believes that the request is still in flight, and waits for it in a flush.
      this.#begin(io);
    } else {
      this.#answer(io, vixError);
    }
    if (death === 'answered') this.#die('SIGBUS');
    else this.#pump();
  }

  #perform(io: HelperIo): number {
    const { plan, tally, readFd, writeFd } = this.#setting;
    const session = this.#session;
    if (session === undefined) return VIX_E_FILE_ERROR;
    if (this.#random.chance(plan.sessionLoss)) {
      tally.lostSessions++;
      this.#loseSession();
      return VIX_E_HOST_CONNECTION_LOST;
    }
    if (io.op === IO_OPS.FLUSH) {
      if (!this.#random.chance(plan.flushFailure) || !this.#setting.mayFlushFail()) {
        tally.flushes++;
        session.endFlush(this.#flushings.get(io) ?? session.beginFlush());
        return 0;
      }
      tally.failedFlushes++;
      session.failFlush();
      return VIX_E_FILE_ERROR;
    }
    const bytes = Buffer.allocUnsafe(io.nrSectors * SECTOR_BYTES);
    if (io.op === IO_OPS.READ) {
      session.read(io.startSector, bytes);
      writeSync(readFd, bytes, 0, bytes.length, io.arenaOffset);
    } else {
      readSync(writeFd, bytes, 0, bytes.length, io.arenaOffset);
      session.write(io.startSector, bytes);
    }
    return 0;
  }

  #deathIn(io: HelperIo): DeathPoint | undefined {
    const { poison } = this.#setting.plan;
    const isPoisoned =
      poison !== undefined &&
      io.op !== IO_OPS.FLUSH &&
      io.startSector <= poison &&
      poison < io.startSector + io.nrSectors;
    if (--this.#iosLeft > 0 && !isPoisoned) return undefined;
    return this.#random.pick(['before', 'inside', 'unanswered', 'answered'] as const);
  }

  #isOutOfMemory(io: HelperIo): boolean {
    const { memory } = this.#setting.plan;
    if (memory === undefined) return false;
    let bytes = io.nrSectors * SECTOR_BYTES;
    for (const other of this.#active.keys()) bytes += other.nrSectors * SECTOR_BYTES;
    return this.#active.size >= memory.requests || bytes > memory.bytes;
  }

  #hang(): void {
    this.#setting.tally.hangs++;
    this.#excuse = 'hangs';
    this.#isStuck = true;
    this.#enter('ReadAsync');
    if (this.#random.chance(0.3)) this.#isFrozen = true;
  }

  #loseSession(): void {
    this.#isSessionLost = true;
    this.#excuse = 'lost its session';
    this.#session?.died();
    this.#session = undefined;
  }

  // --- calls --------------------------------------------------------------------------------

  #runCall(op: CallOp, answer: (result: unknown) => void): void {
    const { plan, world, tally } = this.#setting;
    const isDeadly = op === 'ALLOCATED_BLOCKS' && plan.queryKills;
    if (isDeadly || this.#random.chance(plan.callDeath)) {
      this.#die('SIGSEGV');
      return;
    }
    this.#enter(op);
    // Two that hang one after the other are an outage longer than the time for recovery.
    if (this.#random.chance(plan.callHang) && tally.opens > tally.opensAtHang + 3) {
      tally.opensAtHang = tally.opens;
      this.#hang();
      return;
    }
    const [lowMs, highMs] = op === 'OPEN' || op === 'CONNECT' ? plan.openMs : plan.ioMs;
    world.outside(this.#random.between(lowMs, highMs), () => {
      if (this.#isGone || this.#isFrozen) return;
      this.#leave();
      const result = this.#resultOf(op);
      if (result instanceof HelperCallError) {
        this.#setting.tally.refusals++;
        this.#excuse = `refused ${op}`;
      }
      answer(result);
      this.#pump();
    });
  }

  /** What is alone in the library, for PING. */
  #enter(name: string): void {
    this.#isBusy = true;
    this.#callName = name;
    this.#callSinceMs = this.#setting.world.nowMs();
  }

  #leave(): void {
    this.#isBusy = false;
    this.#callName = '';
  }

  #resultOf(op: CallOp): Calls[CallOp]['result'] | HelperCallError {
    const { host } = this.#setting;
    switch (op) {
      case 'HELLO':
        return { library: '/sim', libraryVersion: 8, functions: FUNCTIONS, transportModes: 'file' };
      case 'CONNECT':
        this.#isSessionLost = false;
        return {};
      case 'OPEN':
        return this.#open();
      case 'INFO':
        return {
          capacitySectors: host.durable.length / SECTOR_BYTES,
          logicalSectorBytes: 512,
          physicalSectorBytes: 512,
          adapterType: 2,
          numLinks: 1,
          uuid: undefined,
          parentFileNameHint: undefined,
        };
      case 'ALLOCATED_BLOCKS':
        return this.#allocated();
      case 'CREATE':
        return {};
      case 'CLOSE':
        this.#session?.close();
        this.#session = undefined;
        return {};
      case 'PING':
        return this.#pong();
    }
  }

  /** What is on the disk; not what the library still holds, as with VDDK. */
  #allocated(): Calls['ALLOCATED_BLOCKS']['result'] | HelperCallError {
    const { host, tally } = this.#setting;
    if (this.#session === undefined) {
      return refusal('QueryAllocatedBlocks', VIX_E_HOST_CONNECTION_LOST);
    }
    tally.queries++;
    return { blocks: host.allocatedSectors() };
  }

  #open(): Calls['OPEN']['result'] | HelperCallError {
    const { world, host, tally, plan } = this.#setting;
    if (world.nowMs() < host.downUntilMs) return refusal('Open', VIX_E_HOST_SERVER_NOT_AVAILABLE);
    this.#session = host.open();
    if (this.#session === undefined) return refusal('Open', VIX_E_FILE_ALREADY_LOCKED);
    tally.opens++;
    this.#hadOpened = true;
    if (plan.msPerLife < Infinity) {
      const lifeMs = -Math.log(1 - this.#random.next()) * plan.msPerLife;
      world.outside(lifeMs, () => {
        this.#die('SIGSEGV');
      });
    }
    return { transportMode: 'file' };
  }

  // --- the end ------------------------------------------------------------------------------

  #die(signal: string | undefined): void {
    if (this.#isGone) return;
    const { world, tally, writeFd, readFd, plan, host } = this.#setting;
    this.#isGone = true;
    this.#setting.note(`helper ${this.pid} dies of ${signal ?? 'the end'}`);
    if (!this.#isInputEnded && this.#killedFor === undefined) tally.deaths++;
    for (const io of this.#active.keys()) {
      const bytes = Buffer.allocUnsafe(io.nrSectors * SECTOR_BYTES);
      if (io.op === IO_OPS.WRITE) {
        readSync(writeFd, bytes, 0, bytes.length, io.arenaOffset);
        this.#session?.leave(io.startSector, bytes);
      } else if (io.op === IO_OPS.READ && this.#random.chance(0.2)) {
        // It scribbles over what it may write to before it goes.
        writeSync(readFd, bytes.fill(0xa5), 0, bytes.length, io.arenaOffset);
      } else if (io.op === IO_OPS.FLUSH) {
        this.#session?.flushPart();
      }
    }
    this.#session?.died();
    this.#session = undefined;
    if (this.#random.chance(plan.outage)) {
      const downMs = this.#random.next() * plan.outageMs;
      host.downUntilMs = Math.max(host.downUntilMs, world.nowMs() + downMs);
    }
    const reason = this.#killedFor ?? (signal ? `was killed by ${signal}` : 'exited with status 0');
    world.arrive(() => {
      const error = new VddkNbdError('HELPER', `the helper ${reason}`);
      for (const reject of this.#calls) reject(error);
      this.#calls.clear();
      this.#resolveEnded({ reason, exitCode: undefined, signal });
    });
  }
}

function refusal(call: string, vixError: number): HelperCallError {
  const fields = { call: `VixDiskLib_${call}`, text: 'refused', helperError: undefined };
  return new HelperCallError({ ...fields, vixError });
}
