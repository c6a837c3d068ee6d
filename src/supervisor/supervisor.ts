// Keeps one disk open in a helper, whatever happens to helpers: the disk hands in requests, and
// gets each of them settled once. When a helper dies, a new one opens the disk, and session.ts
// hands it what the old one left, in its old order, before anything new.
// The rule: nothing is opened or replayed before the old helper's `ended`, for only then is its
// lock gone and no write of it can land late.
import type { Clock, Timer } from '../base/clock.js';
import { invariant, messageOf } from '../base/errors.js';
import { LOGIN_RETRY_MS, SPARE_DELAY_MS } from '../base/limits.js';
import type { Log } from '../base/log.js';
import type { Helper, HelperEnd } from '../helper/helper.js';
import type { HelperListener } from '../helper/helper.js';
import { type AllocatedBlocksParams, IO_OPS } from '../helper/protocol.js';
import { Backlog } from './backlog.js';
import { pickControlSector } from './control-sector.js';
import { Counters } from './counters.js';
import { startDeadline } from './deadline.js';
import { Deadlines } from './deadlines.js';
import type { ErrorPolicy } from './error-policy.js';
import { firstOpen, isRejected, type OpenAttempt, OpenFailure } from './first-open.js';
import { LibraryVoice } from './library-voice.js';
import type { Logins } from './logins.js';
import { Opener, type SessionFacts, type SessionParams } from './open-session.js';
import { BlocksQuery } from './own-calls.js';
import { Quarantine } from './quarantine.js';
import { RequestLimits } from './request-limits.js';
import { RestartPolicy } from './restart-policy.js';
import { AnotherDisk, checkSameDisk, type DiskIdentity } from './same-disk.js';
import { type DiskState, Session, type SessionHost, VIX_E_FAIL } from './session.js';
import { type Greeted, Spare } from './spare.js';
import type { SupervisedIo } from './supervised-io.js';
import { describeRange, type WriteBack } from './write-back.js';

/** Why a disk waits that has not asked itself. */
const LOGIN_REJECTED = 'the login of another disk was rejected';

/** What the log calls an operation. */
const OP_NAMES = { [IO_OPS.READ]: 'a read', [IO_OPS.WRITE]: 'a write', [IO_OPS.FLUSH]: 'a flush' };

export interface SupervisorOptions {
  /** What the log calls the disk: its path. */
  name: string;
  session: SessionParams;
  /** Which file the disk's path names now, in words to compare; it throws if there is none. */
  fileIdentity: () => string;
  startHelper: (listener: HelperListener) => Helper;
  errors: ErrorPolicy;
  clock: Clock;
  log: Log;
  /** Numbers in [0, 1) for the jitter of restarts and for control reads. */
  random: () => number;
  /** --request-timeout: for one read or write in the library. */
  requestTimeoutMs: number;
  /** --recovery-timeout: without a completed I/O for so long, requests fail. */
  recoveryTimeoutMs: number;
  /** Whether a spare helper stands by. */
  spare: boolean;
  quarantine: Quarantine;
  /** Shared by all disks that log in with the same account. */
  logins: Logins;
  /** A page of the read arena that is nobody's. */
  scratchOffsetBytes: number;
  /** For a library that may forget writes when its process dies: what remembers them. */
  writeBack?: WriteBack;
  /** A helper has ended: nothing in the read arena can be trusted that came from it. */
  helperEnded?: () => void;
}

/** How a disk was closed. */
export interface CloseResult {
  /** The library has closed it: what it had in memory is written. */
  isClosed: boolean;
}

type State = 'new' | 'open' | 'opening' | 'given up' | 'closed';

/** The helpers of one disk, one after another. */
export class Supervisor implements SessionHost {
  readonly counters = new Counters();
  readonly #options: SupervisorOptions;
  readonly #policy: RestartPolicy;
  readonly #deadlines: Deadlines;
  readonly #opener: Opener;
  readonly #spare: Spare;
  readonly #voice: LibraryVoice;
  readonly #disk: DiskState;
  #state: State = 'new';
  /** The present helper: in a session, or being opened. */
  #helper: Helper | undefined;
  #session: Session | undefined;
  #restartTimer: Timer | undefined;
  /** Set from a death on, until something was completed or the time for recovery is over. */
  #recoveryTimer: Timer | undefined;
  #facts: SessionFacts | undefined;
  #identity: DiskIdentity | undefined;
  /** Requests that were handed in and are not settled. */
  #unsettled = 0;
  /** In failWaiting(): what is handed in now waited for what fails, and fails with it. */
  #failing = false;
  /** Opens so far. */
  #epoch = 0;
  #diedAtMs = 0;
  /** When the present helper was asked to open the disk, or had opened it. */
  #attemptMs = 0;
  #cause = '';
  #replays = 0;
  #queries: Promise<unknown> = Promise.resolve();
  #queriesAreOff = false;
  #closing: Promise<CloseResult> | undefined;

  constructor(options: SupervisorOptions) {
    const { clock, errors, log, logins, name, quarantine, random, session } = options;
    this.#options = options;
    this.#policy = new RestartPolicy(random, options.recoveryTimeoutMs);
    this.#deadlines = new Deadlines(options.requestTimeoutMs, options.recoveryTimeoutMs);
    const deadlines = this.#deadlines;
    this.#opener = new Opener({ params: session, clock, deadlines, errors, logins });
    this.#voice = new LibraryVoice(name, log);
    this.#spare = new Spare({
      greet: () => this.#greet(),
      clock,
      note: (text) => {
        log.debug(`${name}: ${text}`);
      },
    });
    this.#disk = {
      clock,
      errors,
      deadlines: this.#deadlines,
      limits: new RequestLimits(),
      backlog: new Backlog(clock),
      quarantine,
      writeBack: options.writeBack,
      scratchOffsetBytes: options.scratchOffsetBytes,
      controlSector: () => this.#controlSector(),
    };
  }

  /** Opens the disk for the first time. Rejects with OpenFailure; then nothing is left behind. */
  async open(): Promise<SessionFacts> {
    invariant(this.#state === 'new', 'a supervisor is opened once');
    const { clock, errors, fileIdentity, log, logins, random, writeBack } = this.#options;
    const note = this.note.bind(this);
    this.#voice.collect();
    const attempt = (): OpenAttempt => {
      const greeted = this.#greet();
      this.#helper = greeted.helper;
      const facts = greeted.hello.then((hello) => this.#opener.open(greeted.helper, hello));
      return { helper: greeted.helper, facts };
    };
    try {
      const voice = this.#voice;
      this.#facts = await firstOpen(attempt, { clock, errors, logins, note, random, voice });
      this.#identity = { info: this.#facts.info, file: fileIdentity() };
    } catch (thrown) {
      this.#state = 'closed';
      this.#helper?.kill('its disk could not be opened');
      await this.#helper?.ended;
      if (thrown instanceof OpenFailure) throw thrown;
      throw new OpenFailure(thrown, this.#voice.release());
    }
    for (const line of this.#voice.release()) log.warning(line);
    if (writeBack) writeBack.canFlush = this.#facts.hello.functions.includes('Flush');
    const helper = this.#helper;
    invariant(helper !== undefined, 'the attempt that succeeded has a helper');
    this.#disk.limits.opened(this.#facts.transportMode);
    this.#begin(helper);
    if (this.#options.spare) this.#spare.prepare(SPARE_DELAY_MS);
    return this.#facts;
  }

  /** Runs `io` in this helper or a later one; its settled() is called once, never inside io(). */
  io(io: SupervisedIo): void {
    const { clock } = this.#options;
    const nowMs = this.#policy.failing || this.#state === 'given up' ? clock.nowMs() : 0;
    if (this.#unsettled++ === 0 && this.#policy.failing) {
      this.#policy.awaited(nowMs);
      if (this.#state === 'opening' || this.#state === 'open') this.#watchRecovery();
    }
    if (this.#session?.accepts) {
      this.#session.dispatch(io);
      return;
    }
    this.#disk.backlog.wait(io);
    if (this.#failing) return;
    if (this.#state === 'given up' && this.#mayTryAgain(nowMs)) {
      this.#state = 'opening';
      this.#policy.renewed();
      this.#scheduleRestart('a new request', this.#policy.failed(nowMs));
    } else if (this.#state === 'closed' || this.#state === 'given up') {
      queueMicrotask(() => {
        this.#failWaiting();
      });
    }
  }

  /** After giving up: whether a request is worth a new attempt. */
  #mayTryAgain(nowMs: number): boolean {
    const { logins } = this.#options;
    return this.#policy.mayTryAgain(nowMs) && logins.delayMs(nowMs) !== undefined;
  }

  /** Whether a speculative read of `nrSectors` would be in nobody's way now. */
  hasRoomFor(nrSectors: number): boolean {
    return this.#session?.hasRoomFor(nrSectors) === true;
  }

  /**
   * QueryAllocatedBlocks: offset, length, offset, length, ... in sectors; undefined: it is not
   * known, so all is data. Never rejects. Queries run one at a time.
   */
  allocatedBlocks(params: AllocatedBlocksParams): Promise<number[] | undefined> {
    const query = (): Promise<number[] | undefined> =>
      new Promise((resolve) => {
        if (this.#queriesAreOff || this.#isClosed()) resolve(undefined);
        else this.io(new BlocksQuery(params, resolve));
      });
    const answer = this.#queries.then(query);
    this.#queries = answer;
    return answer;
  }

  settle(io: SupervisedIo, vixError: number | bigint): void {
    this.#unsettled--;
    io.settled(vixError);
  }

  controlled(tookMs: number): void {
    this.#convict(this.#disk.backlog.controlled(tookMs));
    this.#options.writeBack?.controlled(tookMs);
  }

  note(text: string): void {
    this.#options.log.warning(`${this.#options.name}: ${text}`);
  }

  /**
   * Closes the disk and ends the helper; what has not been settled by then fails.
   * Call it when all requests are settled and flushed, or to give up on them. Idempotent.
   */
  close(): Promise<CloseResult> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Gives up on a helper that can't be waited for any longer; what is in flight fails. */
  async abandon(): Promise<void> {
    this.#helper?.kill('the server stops without waiting for it');
    await this.close();
  }

  async #close(): Promise<CloseResult> {
    const wasOpen = this.#state === 'open';
    this.#state = 'closed';
    this.#options.writeBack?.stop();
    this.#restartTimer?.cancel();
    this.#recoveryTimer?.cancel();
    const stopped = this.#spare.stop();
    const isClosed = this.#helper ? await this.#closeHelper(this.#helper, wasOpen) : false;
    await stopped;
    this.#failWaiting();
    return { isClosed };
  }

  /** Whether the library has closed the disk. */
  async #closeHelper(helper: Helper, isOpen: boolean): Promise<boolean> {
    const { clock, log, name } = this.#options;
    let isClosed = false;
    const timer = startDeadline(clock, this.#deadlines.callMs, () => {
      helper.kill('it did not close its disk in time');
    });
    if (isOpen) {
      // Calls are made one at a time.
      await Promise.race([this.#queries, helper.ended]);
      try {
        await helper.call('CLOSE', {});
        isClosed = true;
      } catch (thrown) {
        log.warning(`${name}: closing: ${messageOf(thrown)}`);
      }
      helper.endInput();
    } else {
      helper.kill('the server stops');
    }
    await helper.ended;
    timer.cancel();
    const left = this.#session?.end();
    if (left) {
      this.#disk.backlog.died(left.inFlight, left.queued, undefined);
      for (const io of left.givenUp) this.settle(io, VIX_E_FAIL);
    }
    return isClosed;
  }

  /** Starts a helper and sends it HELLO. */
  #greet(): Greeted {
    const helper = this.#options.startHelper({
      event: (event) => {
        this.#voice.event(event);
      },
    });
    return { helper, hello: this.#opener.hello(helper) };
  }

  #begin(helper: Helper): void {
    this.#state = 'open';
    this.#attemptMs = this.#options.clock.nowMs();
    const session = new Session(helper, ++this.#epoch, this.#disk, this);
    this.#session = session;
    void helper.ended.then((end) => {
      this.#died(session, end);
    });
    session.start();
  }

  #died(session: Session, end: HelperEnd): void {
    if (this.#state === 'closed') return;
    const { clock, helperEnded, writeBack } = this.#options;
    const { inFlight, queued, givenUp, replaying, replayingAtSector, blame } = session.end();
    helperEnded?.();
    this.#helper = undefined;
    this.#session = undefined;
    if (session.hadProgress) this.#policy.progressed();
    if (session.hasHung) this.#deadlines.missed(session.hadProgress);
    if (blame) writeBack?.replayDied(replaying, blame, replayingAtSector);
    this.#replays = inFlight.length;
    this.#diedAtMs = clock.nowMs();
    this.#cause = end.reason;
    this.#state = 'opening';
    this.counters.died(blame === undefined ? 'error' : session.hasHung ? 'hang' : 'crash');
    this.#convict(this.#disk.backlog.died(inFlight, queued, blame));
    for (const io of givenUp) this.settle(io, VIX_E_FAIL);
    this.#scheduleRestart(end.reason, this.#policy.failed(clock.nowMs()));
  }

  /** They fail, and nobody tries the same again for some time. */
  #convict(convicted: readonly SupervisedIo[]): void {
    const { log, name, quarantine } = this.#options;
    for (const io of convicted) {
      const what = io.isCall ? 'QueryAllocatedBlocks' : OP_NAMES[io.op];
      const where = io.nrSectors === 0 ? '' : ` of ${describeRange(io)}`;
      log.error(`${name}: the library dies of it: ${what}${where} fails with EIO`);
      this.counters.convicted++;
      if (io.isCall) this.#queriesAreOff = true;
      else quarantine.add(io);
      this.settle(io, VIX_E_FAIL);
    }
  }

  /** Plans the next attempt, or gives up: then `delayMs` is undefined. */
  #scheduleRestart(reason: string, delayMs: number | undefined): void {
    if (delayMs === undefined) {
      this.#giveUp(`no helper could be brought back (${reason})`);
      return;
    }
    this.#watchRecovery();
    this.#restartTimer = this.#options.clock.after(delayMs, () => {
      void this.#restart();
    });
  }

  /** An attempt that hangs must not outlast the time for recovery by more than its deadline. */
  #watchRecovery(delayMs = this.#policy.remainingMs(this.#options.clock.nowMs())): void {
    const { clock } = this.#options;
    if (this.#recoveryTimer !== undefined) return;
    this.#recoveryTimer = clock.after(delayMs, () => {
      this.#recoveryTimer = undefined;
      // If nobody waits, the next request sets it again.
      if (!this.#policy.failing || this.#session?.hadProgress || this.#unsettled === 0) return;
      const nowMs = clock.nowMs();
      const deadlineMs = this.#helper ? this.#attemptMs + this.#deadlines.plainCallMs : nowMs;
      const leftMs = Math.max(this.#policy.remainingMs(nowMs), deadlineMs - nowMs);
      if (leftMs > 0) this.#watchRecovery(Math.ceil(leftMs));
      else this.#endAttempt('did not bring the disk back in time');
    });
  }

  #endAttempt(reason: string): void {
    if (this.#session) {
      this.#session.fail(reason);
    } else if (this.#helper) {
      this.#helper.kill(reason);
    } else {
      this.#restartTimer?.cancel();
      this.#giveUp('no helper could be brought back in time');
    }
  }

  #giveUp(why: string): void {
    const { log, name, writeBack } = this.#options;
    this.#state = 'given up';
    this.#recoveryTimer?.cancel();
    this.#recoveryTimer = undefined;
    writeBack?.gaveUp();
    const count = this.#disk.backlog.waitingCount;
    log.error(`${name}: ${why}: ${count} requests fail; the next one starts a new attempt`);
    this.#failWaiting();
  }

  async #restart(): Promise<void> {
    const { clock, logins } = this.#options;
    const waitMs = logins.leftMs(clock.nowMs());
    if (waitMs > 0) {
      // It looks again before that, for the host may have accepted another.
      this.#scheduleRestart(LOGIN_REJECTED, Math.min(waitMs, LOGIN_RETRY_MS));
      return;
    }
    logins.begins(clock.nowMs());
    this.#attemptMs = this.#options.clock.nowMs();
    const spare = this.#spare.take();
    const { helper, hello } = spare ?? this.#greet();
    this.#helper = helper;
    try {
      const facts = await this.#opener.open(helper, await hello);
      const { fileIdentity } = this.#options;
      const now = { info: facts.info, file: fileIdentity() };
      if (this.#identity) checkSameDisk(this.#identity, now);
      this.#disk.limits.opened(facts.transportMode);
    } catch (thrown) {
      helper.kill('its disk could not be opened again');
      await helper.ended;
      if (!this.#isClosed()) this.#notOpened(helper, thrown);
      return;
    }
    if (this.#isClosed()) return;
    this.#logRestart(spare !== undefined);
    this.#begin(helper);
    if (this.#options.spare) this.#spare.prepare(0);
  }

  #notOpened(helper: Helper, thrown: unknown): void {
    const { clock, errors, log, logins, name } = this.#options;
    this.#helper = undefined;
    const reason = messageOf(thrown);
    log.warning(`${name}: opening it again: ${reason}`);
    if (this.#opener.wasLate(helper)) this.#deadlines.missed(false);
    if (thrown instanceof AnotherDisk) {
      this.#policy.foundAnotherDisk(clock.nowMs());
      this.#giveUp(reason);
    } else if (isRejected(thrown, errors)) {
      this.#policy.failed(clock.nowMs());
      this.#scheduleRestart(reason, logins.rejected(clock.nowMs()));
    } else {
      this.#scheduleRestart(reason, this.#policy.failed(clock.nowMs()));
    }
  }

  #logRestart(bySpare: boolean): void {
    const { clock, log, name, writeBack } = this.#options;
    const tookMs = Math.round(clock.nowMs() - this.#diedAtMs);
    this.counters.replaced(tookMs, this.#replays);
    const entries = writeBack?.journal.entries.length ?? 0;
    const unflushed = entries === 0 ? '' : `, after ${entries} unflushed writes`;
    log.warning(
      `${name}: helper replaced after ${tookMs} ms ${bySpare ? 'by the spare ' : ''}` +
        `(${this.#cause}); ${this.#replays} requests replayed${unflushed}; ` +
        `${this.counters.deaths} deaths so far`,
    );
  }

  #controlSector(): number {
    const { backlog, writeBack } = this.#disk;
    const entry = writeBack?.policy.suspect;
    const avoided = entry ? [...backlog.lone, entry] : backlog.lone;
    const { capacitySectors } = this.#identity?.info ?? { capacitySectors: 1 };
    return pickControlSector(backlog.goodSector, capacitySectors, avoided, this.#options.random);
  }

  /** A method, because close() may run during any await and the compiler can't know. */
  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #failWaiting(): void {
    const { backlog } = this.#disk;
    this.#failing = true;
    while (backlog.waitingCount > 0) {
      for (const io of backlog.takeAll()) this.settle(io, VIX_E_FAIL);
    }
    this.#failing = false;
  }
}
