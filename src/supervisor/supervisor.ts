// Keeps one disk open in a helper, whatever happens to helpers: the disk hands in requests, and
// gets each of them settled once. When a helper dies, a new one opens the disk, and what was in
// flight is handed to it again in its old order, before anything new.
// The rule: nothing is opened or replayed before the old helper's `ended`, for only then is its
// lock gone and no write of it can land late.
import type { Clock, Timer } from '../base/clock.js';
import { invariant, messageOf } from '../base/errors.js';
import { CLOSE_TIMEOUT_MS, SECTOR_BYTES } from '../base/limits.js';
import type { Log } from '../base/log.js';
import type { Helper, HelperEnd, HelperListener } from '../helper/helper.js';
import { type HelperEvent, IO_OPS } from '../helper/protocol.js';
import { startDeadline } from './deadline.js';
import { startHeartbeat } from './heartbeat.js';
import { JournalReplay, ReplayIo } from './journal-replay.js';
import { openSession, type SessionFacts, type SessionParams } from './open-session.js';
import { RestartPolicy } from './restart-policy.js';
import { type AnswerJudge, SupervisedIo } from './supervised-io.js';
import type { WriteBack } from './write-back.js';

/** Given to requests that no helper could run: VIX_E_FAIL. */
const VIX_E_FAIL = 1;

/** Lines of the library kept while a disk is being opened, to explain a refusal. */
const OPENING_LINES_MAX = 32;

export interface SupervisorOptions {
  /** What the log calls the disk: its path. */
  name: string;
  session: SessionParams;
  /** Which file the disk's path names now, in words to compare; it throws if there is none. */
  fileIdentity: () => string;
  startHelper: (listener: HelperListener) => Helper;
  clock: Clock;
  log: Log;
  /** Numbers in [0, 1) for the jitter of restarts. */
  random: () => number;
  /** For a library that may forget writes when its process dies: what remembers them. */
  writeBack?: WriteBack;
}

/** The first open failed. `cause` is the refusal; `libraryLines` what the library said about it. */
export class OpenFailure extends Error {
  readonly libraryLines: readonly string[];

  constructor(cause: unknown, libraryLines: readonly string[]) {
    super(messageOf(cause), { cause });
    this.name = 'OpenFailure';
    this.libraryLines = libraryLines;
  }
}

/** What `helper` has not answered. It was given nothing but supervised requests. */
function supervisedIn(helper: Helper): SupervisedIo[] {
  return helper
    .takeInFlight()
    .filter((io) => io instanceof SupervisedIo)
    .filter((io) => !(io instanceof ReplayIo));
}

type State = 'new' | 'running' | 'replaying' | 'recovering' | 'given up' | 'closed';

/** The helpers of one disk, one after another. */
export class Supervisor implements AnswerJudge {
  readonly #options: SupervisorOptions;
  readonly #policy: RestartPolicy;
  #state: State = 'new';
  /** The present helper: running, or being opened. */
  #helper: Helper | undefined;
  #heartbeat: Timer | undefined;
  #restartTimer: Timer | undefined;
  #facts: SessionFacts | undefined;
  #fileIdentity = '';
  /** Requests for the next helper: replays first, then new ones. Bounded by who makes requests. */
  #waiting: SupervisedIo[] = [];
  /** Requests that were handed in and are not settled. */
  #unsettled = 0;
  /** In failWaiting(): what is handed in now waited for what fails, and fails with it. */
  #failing = false;
  /** How many of #waiting were in a helper that died. */
  #replays = 0;
  #progress = false;
  /** The number of the present open: what succeeded in an earlier one may be forgotten. */
  #epoch = 0;
  /** Journal entries between two flushes of a replay; halved by each death during one. */
  #chunkEntries = Infinity;
  /** A flush failed in the last replay: the next one makes none. (The one after it does again.) */
  #skipsFlushes = false;
  #diedAtMs = 0;
  #cause = '';
  #openingLines: string[] | undefined;
  /** Helpers that ended without being asked to. */
  deaths = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#policy = new RestartPolicy(options.random);
  }

  /** Opens the disk for the first time. Rejects with OpenFailure; then nothing is left behind. */
  async open(): Promise<SessionFacts> {
    invariant(this.#state === 'new', 'a supervisor is opened once');
    const lines: string[] = [];
    this.#openingLines = lines;
    const helper = this.#startHelper();
    try {
      this.#facts = await openSession(helper, this.#options.session, this.#options.clock);
      this.#fileIdentity = this.#options.fileIdentity();
    } catch (thrown) {
      this.#state = 'closed';
      helper.kill('its disk could not be opened');
      await helper.ended;
      throw new OpenFailure(thrown, lines);
    }
    this.#openingLines = undefined;
    const { writeBack } = this.#options;
    if (writeBack) writeBack.canFlush = this.#facts.hello.functions.includes('Flush');
    for (const line of lines) this.#options.log.warning(line);
    this.#run(helper);
    return this.#facts;
  }

  /** Runs `io` in this helper or a later one; its settled() is called once, never inside io(). */
  io(io: SupervisedIo): void {
    io.judge = this;
    if (this.#unsettled++ === 0 && this.#policy.failing) {
      this.#policy.awaited(this.#options.clock.nowMs());
    }
    if (this.#state === 'running') {
      this.#dispatch(io);
      return;
    }
    this.#waiting.push(io);
    if (this.#failing) return;
    if (this.#state === 'given up') {
      this.#state = 'recovering';
      this.#policy.progressed();
      this.#scheduleRestart('a new request');
    } else if (this.#state === 'closed') {
      queueMicrotask(() => {
        this.#failWaiting();
      });
    }
  }

  /** An answer of the present helper. */
  answered(io: SupervisedIo, vixError: number | bigint): void {
    const { writeBack } = this.#options;
    if (vixError === 0) {
      this.#progress = true;
      writeBack?.succeeded(io, this.#epoch);
    } else if (writeBack !== undefined && io.op === IO_OPS.FLUSH) {
      this.#endEpoch(`its flush failed with VixError ${String(vixError)}`);
      if (!io.failedBefore) {
        io.failedBefore = true;
        this.#waiting.push(io);
        return;
      }
    }
    this.#unsettled--;
    io.settled(vixError);
  }

  /**
   * Closes the disk and ends the helper; what has not been settled by then fails.
   * Call it when all requests are settled and flushed, or to give up on them. Idempotent.
   */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    const wasRunning = this.#state === 'running';
    this.#state = 'closed';
    this.#options.writeBack?.stop();
    this.#restartTimer?.cancel();
    this.#heartbeat?.cancel();
    const helper = this.#helper;
    if (helper) {
      const timer = startDeadline(this.#options.clock, CLOSE_TIMEOUT_MS, () => {
        helper.kill('it did not close its disk in time');
      });
      if (wasRunning) {
        await helper.call('CLOSE', {}).catch((thrown: unknown) => {
          this.#options.log.warning(`${this.#options.name}: closing: ${messageOf(thrown)}`);
        });
        helper.endInput();
      } else {
        helper.kill('the server stops');
      }
      await helper.ended;
      timer.cancel();
      this.#waiting = supervisedIn(helper).concat(this.#waiting);
    }
    this.#failWaiting();
  }

  /** Gives up on a helper that can't be waited for any longer; what is in flight fails. */
  async abandon(): Promise<void> {
    this.#helper?.kill('the server stops without waiting for it');
    await this.close();
  }

  #startHelper(): Helper {
    const helper = this.#options.startHelper({
      event: (event) => {
        this.#event(event);
      },
    });
    this.#helper = helper;
    return helper;
  }

  #event(event: HelperEvent): void {
    const { log, name } = this.#options;
    if (event.name === 'panic') {
      this.#openingLines?.push(event.text);
      log.error(`${name}: the library panicked: ${event.text}`);
      return;
    }
    if (event.dropped > 0) log.debug(`${String(event.dropped)} messages of the library were lost`);
    if (event.level === 'debug') log.debug(event.text);
    else if (this.#openingLines === undefined) log.warning(event.text);
    else if (this.#openingLines.length < OPENING_LINES_MAX) this.#openingLines.push(event.text);
  }

  #run(helper: Helper): void {
    this.#epoch++;
    this.#progress = false;
    this.#heartbeat = startHeartbeat(helper, this.#options.clock);
    void helper.ended.then((end) => {
      this.#died(helper, end);
    });
    if (this.#options.writeBack === undefined) this.#goOn();
    else this.#replay(helper, this.#options.writeBack);
  }

  /** What the old library may have forgotten comes first. */
  #replay(helper: Helper, { journal, canFlush }: WriteBack): void {
    this.#state = 'replaying';
    const flushes = canFlush && !this.#skipsFlushes;
    this.#skipsFlushes = false;
    const replay = new JournalReplay({
      journal,
      epoch: this.#epoch,
      flushes,
      chunkEntries: flushes ? this.#chunkEntries : Infinity,
      send: (io) => {
        helper.io(io);
      },
      done: ({ op, vixError }) => {
        if (this.#state !== 'replaying') return;
        if (vixError !== 0) {
          // Without flushes the next replay gets everything there, for reads to be right; what a
          // flush says after that is for those who ask for one.
          if (op === 'flush') this.#skipsFlushes = true;
          // The restart policy must not take the writes before it for progress.
          this.#progress = false;
          this.#endEpoch(`journal: ${op} failed with VixError ${String(vixError)}`);
          return;
        }
        this.#chunkEntries = Infinity;
        this.#goOn();
      },
      progressed: () => {
        this.#progress = true;
      },
    });
    replay.start();
  }

  /** The helper is as the old one was: on with what waits. */
  #goOn(): void {
    this.#state = 'running';
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#replays = 0;
    for (const io of waiting) this.#dispatch(io);
  }

  /**
   * A failed flush covers nothing, and the library may have dropped what it held: reads from it
   * would be wrong, and a later flush that succeeds would lie. Everything is written again.
   */
  #endEpoch(reason: string): void {
    this.#helper?.kill(reason);
  }

  #dispatch(io: SupervisedIo): void {
    const { writeBack } = this.#options;
    if (writeBack !== undefined && io.op === IO_OPS.FLUSH) {
      io.mark = writeBack.journal.mark(this.#epoch);
    }
    this.#helper?.io(io);
  }

  #died(helper: Helper, end: HelperEnd): void {
    if (this.#state === 'closed') return;
    this.#heartbeat?.cancel();
    this.#helper = undefined;
    this.deaths++;
    if (this.#state === 'replaying') this.#halveChunk();
    if (this.#progress) this.#policy.progressed();
    const inFlight = supervisedIn(helper);
    // Not unshift(...): there may be more of them than a call can have arguments.
    this.#waiting = inFlight.concat(this.#waiting);
    this.#replays = inFlight.length;
    this.#diedAtMs = this.#options.clock.nowMs();
    this.#cause = end.reason;
    this.#state = 'recovering';
    this.#scheduleRestart(end.reason);
  }

  #halveChunk(): void {
    const entries = this.#options.writeBack?.journal.entries.length ?? 0;
    this.#chunkEntries = Math.max(1, Math.floor(Math.min(this.#chunkEntries, entries) / 2));
  }

  /** Plans the next attempt, or gives up. */
  #scheduleRestart(reason: string): void {
    const { clock, log, name } = this.#options;
    const delayMs = this.#policy.failed(clock.nowMs());
    if (delayMs === undefined) {
      this.#state = 'given up';
      log.error(
        `${name}: no helper could be brought back (${reason}): ` +
          `${String(this.#waiting.length)} requests fail; the next one starts a new attempt`,
      );
      this.#failWaiting();
      return;
    }
    this.#restartTimer = clock.after(delayMs, () => {
      void this.#restart();
    });
  }

  async #restart(): Promise<void> {
    const { clock, log, name, session } = this.#options;
    const helper = this.#startHelper();
    try {
      const facts = await openSession(helper, session, clock);
      this.#checkSameDisk(facts);
    } catch (thrown) {
      helper.kill('its disk could not be opened again');
      await helper.ended;
      if (this.#isClosed()) return;
      this.#helper = undefined;
      log.warning(`${name}: opening it again: ${messageOf(thrown)}`);
      this.#scheduleRestart(messageOf(thrown));
      return;
    }
    if (this.#isClosed()) return;
    const tookMs = Math.round(clock.nowMs() - this.#diedAtMs);
    const entries = this.#options.writeBack?.journal.entries.length ?? 0;
    const unflushed = entries === 0 ? '' : `, after ${String(entries)} unflushed writes`;
    log.warning(
      `${name}: helper replaced after ${String(tookMs)} ms (${this.#cause}); ` +
        `${String(this.#replays)} requests replayed${unflushed}`,
    );
    this.#run(helper);
  }

  /** A method, because close() may run during any await and the compiler can't know. */
  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  /**
   * A larger disk serves its old size; a smaller one, or one of another identity, is refused.
   * Not every VMDK has a uuid, and a copy has that of its original: therefore the file, too.
   */
  #checkSameDisk(facts: SessionFacts): void {
    const first = this.#facts;
    if (!first) return;
    const { capacitySectors, uuid } = facts.info;
    if (capacitySectors < first.info.capacitySectors || uuid !== first.info.uuid) {
      throw new Error(
        `this is another disk now: it has ${String(capacitySectors * SECTOR_BYTES)} bytes ` +
          `(uuid ${uuid ?? 'none'}), it had ` +
          `${first.info.capacitySectors * SECTOR_BYTES} (uuid ${first.info.uuid ?? 'none'})`,
      );
    }
    if (this.#options.fileIdentity() !== this.#fileIdentity) {
      throw new Error('this is another disk now: another file has taken its name');
    }
  }

  #failWaiting(): void {
    this.#failing = true;
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const io of waiting) {
        this.#unsettled--;
        io.settled(VIX_E_FAIL);
      }
    }
    this.#failing = false;
  }
}
