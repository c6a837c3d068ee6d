// One run: a disk over simulated helpers, clients, a seed. Only the clock and the helper client are
// doubles; the disk, its supervisor, journal and locks are the shipped ones.
// The rule: everything that happens follows from the seed, the kind and the plan's changes.
import { createHash } from 'node:crypto';
import { RECOVERY_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from '../../src/base/limits.js';
import { createLog } from '../../src/base/log.js';
import { type HelperDisk, openHelperDisk } from '../../src/disk/helper-disk.js';
import { EXTENT_HOLE, EXTENT_ZERO } from '../../src/disk/disk.js';
import { Logins } from '../../src/supervisor/logins.js';
import { vixErrorPolicy } from '../../src/vddk/errors.js';
import { Excuses } from './excuses.js';
import { Host } from './host.js';
import { Model, Violation } from './model.js';
import { type Kind, type Plan, planOf } from './plan.js';
import { Random } from './random.js';
import { type ClientSetting, SimClient, type SimRequest } from './sim-client.js';
import { type Setting, Tally } from './setting.js';
import { SimProcess } from './sim-process.js';
import { World } from './world.js';

/** More turns than any run needs that goes on at all. */
const TURNS_MAX = 3_000_000;
/** What can't be answered for so long is lost. Simulated time. */
const RUN_MS_MAX = 30 * 24 * 3600 * 1000;
/** Successful flushes between two that fail: those of a replay among them. */
const FLUSHES_BETWEEN_FAILURES = 10;
const TRACE_LINES_MAX = 60;

export interface Outcome {
  tally: Tally;
  requests: number;
  errors: number;
  zeroExtents: number;
  convicted: number;
  bytesVerified: number;
  lateLanded: number;
  lateFenced: number;
  lostSectors: number;
  /** A hash over everything that happened, and when. */
  digest: string;
  /** How the end of the disk was: empty is a clean one. */
  reasons: string[];
}

export interface RunOptions {
  seed: number;
  kind: Kind;
  /** What differs from the plan that the seed gives. */
  changes?: Partial<Plan>;
}

/** Cuts of the disk: half of them at sectors, the others anywhere, so in the middle of them. */
function cutsOf(plan: Plan, random: Random): number[] {
  const cuts = new Set([0, plan.sizeBytes]);
  const sectors = plan.sizeBytes / 512;
  for (let tries = 0; tries < 4 * plan.cells && cuts.size <= plan.cells; tries++) {
    const sector = random.below(sectors);
    const isAligned = random.chance(0.5);
    cuts.add(isAligned ? sector * 512 : sector * 512 + random.below(512));
  }
  return [...cuts].sort((a, b) => a - b);
}

class Run {
  readonly #plan: Plan;
  readonly #world = new World();
  readonly #tally = new Tally();
  readonly #host: Host;
  readonly #model: Model;
  readonly #random: Random;
  readonly #hash = createHash('sha256');
  readonly #trace: string[] = [];
  readonly #answered = { requests: 0, errors: 0, zeroExtents: 0 };
  readonly #flushing = new Set<SimRequest>();
  /** What was being flushed when a flush failed: it may not be hit by another one. */
  #hit: readonly SimRequest[] = [];
  #flushesAtFailure = -FLUSHES_BETWEEN_FAILURES;
  readonly #excuses: Excuses;
  #violation: Violation | undefined;
  readonly #clients: SimClient[] = [];
  #isClosing = false;
  #turns = 0;

  constructor({ seed, kind, changes }: RunOptions) {
    this.#random = new Random(seed);
    this.#plan = { ...planOf(kind, this.#random.fork()), ...changes };
    const { sizeBytes, isVolatile, lateMs, holdsLock, fences } = this.#plan;
    const traits = { isVolatile, lateMs, holdsLock, fences };
    this.#host = new Host(this.#world, this.#random.fork(), sizeBytes, traits);
    this.#model = new Model(cutsOf(this.#plan, this.#random.fork()));
    this.#excuses = new Excuses(this.#plan, this.#model);
    this.#host.onWrite = (startBytes, endBytes) => {
      this.#model.touched(startBytes, endBytes);
    };
    this.#host.onDeath = () => {
      this.#model.durable(this.#host.durable);
    };
  }

  /** The last things that happened. */
  get trace(): readonly string[] {
    return this.#trace;
  }

  async run(): Promise<Outcome> {
    const disk = await this.#open();
    const setting: ClientSetting = {
      world: this.#world,
      random: this.#random.fork(),
      plan: this.#plan,
      model: this.#model,
      host: this.#host,
      disk,
      fail: this.#fail,
      begins: (request) => {
        this.#excuses.begins(request);
      },
      mayFail: (request) => this.#excuses.mayFail(request),
      flushing: this.#flushing,
      budget: { left: this.#plan.requests },
      note: this.#note,
      answered: this.#answered,
    };
    const clients = this.#clients;
    for (let n = 0; n < this.#plan.clients; n++) {
      clients.push(new SimClient(setting, `client ${n}`));
    }
    await this.#until('every request is answered', () => clients.every(({ isDone }) => isDone));
    const reasons = await this.#close(disk);
    this.#model.final(this.#host.durable, (cell) => this.#excuses.isExcused(cell));
    return {
      tally: this.#tally,
      ...this.#answered,
      convicted: this.#excuses.convicted,
      bytesVerified: this.#model.bytesVerified,
      lateLanded: this.#host.lateLanded,
      lateFenced: this.#host.lateFenced,
      lostSectors: this.#host.lostSectors,
      digest: this.#hash.digest('hex'),
      reasons,
    };
  }

  async #open(): Promise<HelperDisk> {
    const random = this.#random.fork();
    const helpers = this.#random.fork();
    // The first open may not fail; what comes after may.
    const { callDeath, callHang, msPerLife } = this.#plan;
    Object.assign(this.#plan, { callDeath: 0, callHang: 0, msPerLife: Infinity });
    const opening = openHelperDisk({
      name: 'disk',
      session: {
        hello: { libraries: ['/lib.so'], libdir: '/', config: undefined },
        connect: { readOnly: false },
        open: { path: '/disk.vmdk', flags: 0 },
      },
      memoryBytes: this.#plan.memoryBytes,
      readaheadBytesMax: this.#plan.readaheadBytesMax,
      cacheBytesMax: this.#plan.cacheBytesMax,
      buffersWrites: this.#plan.buffersWrites,
      fileIdentity: () => '',
      startHelper: ({ readFd, writeFd, readArenaBytes, arenaBytes }) => {
        const setting: Setting = {
          world: this.#world,
          random: helpers,
          host: this.#host,
          plan: this.#plan,
          tally: this.#tally,
          fail: this.#fail,
          note: this.#note,
          mayFlushFail: this.#mayFlushFail,
          isClosing: () => this.#isClosing,
          lent: () => this.#clients.flatMap(({ lent }) => lent),
          ...{ readFd, writeFd, readArenaBytes, arenaBytes },
        };
        return new SimProcess(setting);
      },
      clock: this.#world,
      log: createLog({ write: this.#note, verbose: true }),
      random: () => random.next(),
      closeTimeoutMs: RUN_MS_MAX,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      recoveryTimeoutMs: RECOVERY_TIMEOUT_MS,
      spare: this.#plan.spare,
      logins: new Logins(),
      holeState: () => EXTENT_HOLE | EXTENT_ZERO,
      errors: vixErrorPolicy,
    });
    const disk = await this.#resolved('the disk is open', opening);
    Object.assign(this.#plan, { callDeath, callHang, msPerLife });
    return disk;
  }

  async #close(disk: HelperDisk): Promise<string[]> {
    this.#isClosing = true;
    if (this.#plan.kind === 'outage') {
      // The library is back in the end, or nothing could be said about it.
      this.#plan.outage = 0;
      this.#host.downUntilMs = 0;
    }
    const reasons = await this.#resolved('the disk is closed', disk.close());
    if (reasons.length > 0 && !this.#excuses.isSomethingLost) {
      throw new Violation(`the end is not clean: ${reasons.join('; ')}`);
    }
    // Whatever could still land, lands.
    const endMs = this.#world.nowMs() + 2 * this.#plan.lateMs;
    await this.#until('the end', () => this.#world.nowMs() > endMs, true);
    return reasons;
  }

  async #resolved<T>(what: string, promise: Promise<T>): Promise<T> {
    const result: { value?: T; thrown?: unknown; isThere: boolean } = { isThere: false };
    promise.then(
      (value) => Object.assign(result, { value, isThere: true }),
      (thrown: unknown) => Object.assign(result, { thrown, isThere: true }),
    );
    await this.#until(what, () => result.isThere);
    if ('thrown' in result) throw result.thrown;
    return result.value!;
  }

  /** Turns until `isSo`; `mayEnd`: it is enough that nothing can happen any more. */
  async #until(what: string, isSo: () => boolean, mayEnd = false): Promise<void> {
    for (;;) {
      const goesOn = await this.#world.turn();
      if (this.#violation) throw this.#violation;
      if (isSo()) return;
      if (!goesOn && mayEnd) return;
      if (!goesOn) throw new Violation(`nothing can happen any more, but not yet: ${what}`);
      if (this.#turns++ > TURNS_MAX || this.#world.nowMs() > RUN_MS_MAX) {
        throw new Violation(`never: ${what}`);
      }
    }
  }

  readonly #fail = (violation: Violation): void => {
    this.#violation ??= violation;
  };

  readonly #note = (text: string): void => {
    this.#excuses.hears(text);
    const line = `${this.#world.nowMs().toFixed(3)} ${text.trim()}`;
    this.#hash.update(line);
    this.#trace.push(line);
    if (this.#trace.length > 2 * TRACE_LINES_MAX) this.#trace.splice(0, TRACE_LINES_MAX);
  };

  readonly #mayFlushFail = (): boolean => {
    // A flush of the program's own is retried, too, soon after.
    const isRecent = this.#tally.flushes < this.#flushesAtFailure + FLUSHES_BETWEEN_FAILURES;
    if (this.#isClosing || isRecent) return false;
    if (this.#hit.some((request) => this.#flushing.has(request))) return false;
    this.#hit = [...this.#flushing];
    this.#flushesAtFailure = this.#tally.flushes;
    return true;
  };
}

/** A run that showed a violation: how to repeat it, and what led to it. */
export class SimulationFailure extends Error {
  readonly violation: Violation;

  constructor({ seed, kind }: RunOptions, violation: Violation, trace: readonly string[]) {
    super(`seed ${seed}, kind ${kind}: ${violation.message}\n  ${trace.join('\n  ')}`);
    this.name = 'SimulationFailure';
    this.violation = violation;
  }
}

/** Runs one simulation to its end. Rejects with SimulationFailure. */
export async function simulate(options: RunOptions): Promise<Outcome> {
  const run = new Run(options);
  try {
    return await run.run();
  } catch (thrown) {
    if (!(thrown instanceof Violation)) throw thrown;
    throw new SimulationFailure(options, thrown, run.trace);
  }
}
