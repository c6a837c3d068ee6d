// One helper with the disk open in it, from its first request to its end. A fresh helper goes
// through stages: a control read if anything is suspect, the journal, the suspects one by one and
// alone, then everything. The supervisor makes one session after another; Backlog is what lasts.
// The rule: no client's flush is answered, and nothing new is read, before the journal is there.
import type { Clock } from '../base/clock.js';
import { SESSION_FAILURES_MAX } from '../base/limits.js';
import type { Helper } from '../helper/helper.js';
import { IO_OPS } from '../helper/protocol.js';
import type { Backlog } from './backlog.js';
import type { Deadlines } from './deadlines.js';
import type { ErrorPolicy } from './error-policy.js';
import { JournalReplay, ReplayIo, type ReplayWork } from './journal-replay.js';
import { ControlRead } from './own-calls.js';
import type { Quarantine } from './quarantine.js';
import type { RequestLimits } from './request-limits.js';
import type { AnswerJudge, SupervisedIo } from './supervised-io.js';
import { type DeathFacts, Suspicion } from './suspects.js';
import { Watchdog } from './watchdog.js';
import { HelperWindow } from './window.js';
import type { WriteBack } from './write-back.js';

/** Given to requests that are refused without asking the library: VIX_E_FAIL. */
export const VIX_E_FAIL = 1;

/** What lasts over the helpers of one disk. */
export interface DiskState {
  clock: Clock;
  errors: ErrorPolicy;
  deadlines: Deadlines;
  limits: RequestLimits;
  backlog: Backlog;
  quarantine: Quarantine;
  writeBack: WriteBack | undefined;
  /** Where a control read puts its sector. */
  scratchOffsetBytes: number;
  /** A sector to read, away from all suspects. */
  controlSector: () => number;
}

/** Who is told what came of requests: the supervisor. */
export interface SessionHost {
  /** The final result of `io`. */
  settle(io: SupervisedIo, vixError: number | bigint): void;
  /** A control read has worked in `tookMs`: suspects that hung may be convicted by it. */
  controlled(tookMs: number): void;
  note(text: string): void;
}

/** What a session leaves behind. */
export interface SessionEnd {
  inFlight: SupervisedIo[];
  queued: SupervisedIo[];
  /** Speculative reads, which nobody does again. */
  givenUp: SupervisedIo[];
  /** What the replay of the journal was doing, if it was not done. */
  replaying: ReplayWork | undefined;
  /** The first sector of the write of it that was in the helper; undefined: none was. */
  replayingAtSector: number | undefined;
  /** Undefined: the end was our own doing, for something that was answered. */
  blame: Omit<DeathFacts, 'atSector'> | undefined;
}

function isReplayedWrite(io: SupervisedIo): boolean {
  return io instanceof ReplayIo && io.op === IO_OPS.WRITE;
}

type Stage = 'control' | 'journal' | 'alone' | 'all' | 'draining' | 'ended';

export class Session implements AnswerJudge {
  readonly helper: Helper;
  readonly #epoch: number;
  readonly #disk: DiskState;
  readonly #host: SessionHost;
  readonly #window: HelperWindow;
  readonly #watchdog: Watchdog;
  #stage: Stage = 'control';
  #controlRead: ControlRead | undefined;
  #lone: SupervisedIo | undefined;
  #replay: JournalReplay | undefined;
  #progress = false;
  /** Something other than the suspect was completed here. */
  #controlled = false;
  /** A chunk of the journal was written and flushed. */
  #flushedChunk = false;
  /** Writes that succeeded, and that the journal has no room for: they are not answered yet. */
  #unadmitted: SupervisedIo[] = [];
  #ending: 'unknown' | 'hung' | 'ours' = 'unknown';
  /** The deadline that was missed. */
  #hungMs: number | undefined;

  /** `epoch` is the number of this open: what succeeded in an earlier one may be forgotten. */
  constructor(helper: Helper, epoch: number, disk: DiskState, host: SessionHost) {
    this.helper = helper;
    this.#epoch = epoch;
    this.#disk = disk;
    this.#host = host;
    this.#window = new HelperWindow({
      helper,
      limits: disk.limits,
      errors: disk.errors,
      lowered: () => {
        const { depthMax, requestSectorsMax } = disk.limits;
        host.note(
          `the library is out of memory: at most ${depthMax} requests of ` +
            `${requestSectorsMax / 2} KiB until it has some`,
        );
      },
      exhausted: () => {
        this.fail('has no memory for the smallest request');
      },
      idle: () => {
        if (this.#stage === 'draining') this.#begin();
      },
    });
    this.#watchdog = new Watchdog({
      helper,
      clock: disk.clock,
      deadlines: disk.deadlines,
      late: (reason) => {
        // It may just be slow, with too much to do at once.
        if (this.#progress) disk.limits.hung(this.#window.inFlight);
        this.#hungMs = disk.deadlines.requestMs;
        this.#ending = 'hung';
        this.#stage = 'ended';
        helper.kill(reason);
      },
    });
  }

  /** Whether an I/O has been completed. */
  get hadProgress(): boolean {
    return this.#progress;
  }

  get hasHung(): boolean {
    return this.#ending === 'hung';
  }

  /** Whether dispatch() may be called. */
  get accepts(): boolean {
    return this.#stage === 'all';
  }

  /** Whether a speculative read of `nrSectors` would be in nobody's way. */
  hasRoomFor(nrSectors: number): boolean {
    return this.accepts && this.#window.hasRoomFor(nrSectors);
  }

  /** Begins with what the old helpers left. */
  start(): void {
    this.#begin();
  }

  /** Runs `io`; nothing is settled before this returns. */
  dispatch(io: SupervisedIo): void {
    const { backlog } = this.#disk;
    if (this.#isRefused(io)) return;
    if (io.suspicion?.runsAlone) {
      backlog.waitAlone(io);
      this.#stage = 'draining';
      if (this.#window.isIdle) this.#begin();
    } else {
      this.#send(io);
    }
  }

  answered(io: SupervisedIo, vixError: number | bigint): void {
    if (io === this.#controlRead) {
      this.#controlReadDone(this.#controlRead, vixError);
      return;
    }
    let result = vixError;
    if (vixError === 0) {
      if (this.#isUnadmitted(io)) return;
      result = this.#succeeded(io);
    } else if (this.#isRepeated(io, vixError)) {
      return;
    }
    const wasLone = io === this.#lone;
    if (wasLone) this.#lone = undefined;
    this.#host.settle(io, result);
    if (io.op === IO_OPS.FLUSH && this.#unadmitted.length > 0) this.#admit();
    if (wasLone && this.#stage === 'alone') this.#runAlone();
  }

  partSucceeded(io: SupervisedIo, nrSectors: number): boolean {
    const { writeBack } = this.#disk;
    this.#noteProgress(io);
    if (io !== this.#lone) this.#controlled = true;
    if (io.op === IO_OPS.READ) return io.partRead?.(nrSectors) === true;
    if (writeBack === undefined) return true;
    if (writeBack.isFull) return false;
    writeBack.written(io, nrSectors, this.#epoch);
    return true;
  }

  /** The helper has ended. */
  end(): SessionEnd {
    this.#watchdog.cancel();
    this.#stage = 'ended';
    const { inFlight, queued } = this.#window.takeAll();
    const isClients = (io: SupervisedIo): boolean =>
      !(io instanceof ReplayIo || io instanceof ControlRead || io.isSpeculative);
    const wasControl = inFlight.some((io) => io instanceof ControlRead);
    if (wasControl) this.#disk.backlog.goodSector = undefined;
    const facts = {
      alone: this.#lone !== undefined,
      controlled: this.#controlled,
      hungMs: this.#hungMs,
    };
    return {
      inFlight: inFlight.filter(isClients),
      queued: this.#unadmitted.concat(queued.filter(isClients)),
      givenUp: inFlight.concat(queued).filter(({ isSpeculative }) => isSpeculative),
      replaying: this.#replay?.work,
      replayingAtSector: inFlight.find(isReplayedWrite)?.lastSector,
      blame: this.#ending === 'ours' ? undefined : facts,
    };
  }

  /** Ends the helper for something that it answered; what is in flight is not to blame. */
  fail(reason: string): void {
    if (this.#stage !== 'ended') this.#ending = 'ours';
    this.#stage = 'ended';
    this.helper.kill(reason);
  }

  #begin(): void {
    const { backlog, writeBack } = this.#disk;
    const isSuspicious = backlog.lone.length > 0 || writeBack?.policy.needsControl === true;
    if (isSuspicious && !this.#controlled) this.#runControlRead();
    else this.#runJournal();
  }

  #runControlRead(): void {
    this.#stage = 'control';
    const read = new ControlRead();
    read.startSector = this.#disk.controlSector();
    read.arenaOffset = this.#disk.scratchOffsetBytes;
    read.judge = this;
    read.sentMs = this.#disk.clock.nowMs();
    this.#controlRead = read;
    this.#window.send(read);
  }

  #controlReadDone(read: ControlRead, vixError: number | bigint): void {
    const { backlog, clock, errors } = this.#disk;
    this.#controlRead = undefined;
    if (vixError === 0) {
      this.#noteProgress(read);
      this.#controlled = true;
      this.#host.controlled(clock.nowMs() - read.sentMs);
    } else {
      backlog.goodSector = undefined;
    }
    if (vixError !== 0 && errors.whileServing(vixError) === 'session') {
      this.fail(`lost its session: VixError ${String(vixError)}`);
      return;
    }
    this.#runJournal();
  }

  /** What the old library may have forgotten comes first. */
  #runJournal(): void {
    const { writeBack } = this.#disk;
    this.#stage = 'journal';
    if (writeBack === undefined) {
      this.#runAlone();
      return;
    }
    const { journal, policy } = writeBack;
    const flushes = writeBack.mayFlush && policy.takeFlushes();
    this.#replay = new JournalReplay({
      journal,
      epoch: this.#epoch,
      flushes,
      chunkEntries: () => policy.chunkEntries,
      send: (io) => {
        io.sentMs = this.#disk.clock.nowMs();
        this.#window.send(io);
      },
      done: (result) => {
        if (this.#stage === 'journal') this.#replayDone(result);
      },
      control: () => (policy.needsControl ? this.#disk.controlSector() : undefined),
      scratchOffsetBytes: this.#disk.scratchOffsetBytes,
      progressed: (io) => {
        this.#noteProgress(io);
      },
      flushedChunk: () => {
        this.#controlled = true;
        this.#flushedChunk = true;
        writeBack.chunkFlushed();
      },
    });
    this.#replay.start();
  }

  #replayDone({ op, vixError }: { op: 'write' | 'flush'; vixError: number | bigint }): void {
    const { writeBack, errors } = this.#disk;
    const work = this.#replay?.work;
    if (vixError === 0) {
      this.#replay = undefined;
      writeBack?.policy.done();
      this.#runAlone();
      return;
    }
    // The restart policy must not take the writes before it for progress, unless they are safe.
    this.#progress = this.#flushedChunk;
    const isSessionLost = errors.whileServing(vixError) === 'session';
    // Without flushes the next replay gets everything there, for reads to be right; what a
    // flush says after that is for those who ask for one.
    if (op === 'flush' && !isSessionLost) writeBack?.policy.flushFailed();
    else writeBack?.policy.refused(isSessionLost ? undefined : work);
    this.#replay = undefined;
    this.fail(`could not be given the journal again: ${op} failed with VixError ${vixError}`);
  }

  /** The suspects, one after another, with nothing else in the helper. */
  #runAlone(): void {
    this.#stage = 'alone';
    for (;;) {
      const io = this.#disk.backlog.takeLone();
      if (io === undefined) break;
      if (this.#isRefused(io)) continue;
      this.#lone = io;
      this.#send(io);
      return;
    }
    this.#runAll();
  }

  #runAll(): void {
    this.#stage = 'all';
    const { backlog } = this.#disk;
    for (const io of backlog.takeWaiting()) {
      if (this.accepts) this.dispatch(io);
      else backlog.wait(io);
    }
  }

  #send(io: SupervisedIo): void {
    const { writeBack } = this.#disk;
    if (io.op === IO_OPS.FLUSH && writeBack) io.mark = writeBack.journal.mark(this.#epoch);
    io.judge = this;
    if (this.#disk.deadlines.areDoubled) io.sentMs = this.#disk.clock.nowMs();
    this.#window.send(io);
  }

  /** Whether the journal has no room for `io`, a write that has succeeded: it waits for a flush. */
  #isUnadmitted(io: SupervisedIo): boolean {
    const { writeBack } = this.#disk;
    // A suspect is alone here: no flush could come.
    if (io.op !== IO_OPS.WRITE || io === this.#lone || writeBack?.isFull !== true) return false;
    if (writeBack.isStuck) {
      this.#host.settle(io, VIX_E_FAIL);
    } else {
      this.#unadmitted.push(io);
      writeBack.flushSoon();
    }
    return true;
  }

  /** A flush may have made room. */
  #admit(): void {
    const unadmitted = this.#unadmitted;
    this.#unadmitted = [];
    for (const io of unadmitted) this.answered(io, 0);
  }

  /** Whether `io` fails without asking the library; one that may be as bad becomes a suspect. */
  #isRefused(io: SupervisedIo): boolean {
    const { quarantine, writeBack } = this.#disk;
    const isLost =
      io.op === IO_OPS.READ &&
      writeBack?.lost.isEmpty === false &&
      writeBack.lost.touches(io.startSector, io.nrSectors);
    const verdict = quarantine.isEmpty || io.isCall ? 'unknown' : quarantine.judge(io);
    const isBad = verdict === 'bad' || (verdict === 'suspect' && io.isSpeculative);
    if (verdict === 'suspect') io.suspicion ??= Suspicion.known();
    if (!isLost && !isBad) return false;
    queueMicrotask(() => {
      this.#host.settle(io, VIX_E_FAIL);
    });
    return true;
  }

  /** The result for the client: a flush is a failure while anything is lost. */
  #succeeded(io: SupervisedIo): number {
    const { backlog, quarantine, writeBack } = this.#disk;
    this.#noteProgress(io);
    if (io !== this.#lone) this.#controlled = true;
    if (!io.isCall && io.op !== IO_OPS.FLUSH) backlog.goodSector = io.startSector;
    writeBack?.succeeded(io, this.#epoch);
    if (!quarantine.isEmpty) quarantine.succeeded(io);
    if (io.op !== IO_OPS.FLUSH || io.isOwn) return 0;
    return writeBack?.lost.isEmpty === false ? VIX_E_FAIL : 0;
  }

  #noteProgress(io: SupervisedIo): void {
    const { clock, deadlines } = this.#disk;
    this.#progress = true;
    if (deadlines.areDoubled) deadlines.progressed(clock.nowMs() - io.sentMs);
  }

  /** Whether the failed `io` is tried again in another helper, which this makes sure of. */
  #isRepeated(io: SupervisedIo, vixError: number | bigint): boolean {
    const { backlog, errors, writeBack } = this.#disk;
    if (io.isCall) return false;
    const isFlush = io.op === IO_OPS.FLUSH;
    const meaning = errors.whileServing(vixError);
    // What it should have covered may be gone, and nothing could write it again.
    if (isFlush && writeBack === undefined && meaning !== 'session') return false;
    if (io.isSpeculative) {
      if (meaning === 'session') this.fail(`lost its session: VixError ${String(vixError)}`);
      return false;
    }
    const again = this.#mayRepeat(io, meaning, isFlush);
    // A failed flush covers nothing, and the library may have dropped what it held: reads from it
    // would be wrong, and a later flush that succeeds would lie. Everything is written again.
    if (isFlush) this.fail(`failed to flush: VixError ${String(vixError)}`);
    if (!again) return false;
    if (io === this.#lone) this.#lone = undefined;
    backlog.wait(io);
    // Perhaps it does not live long enough for so much at once.
    if (!this.#progress) this.#disk.limits.hung(this.#window.inFlight + 1);
    if (meaning === 'session') this.fail(`lost its session: VixError ${String(vixError)}`);
    else this.fail(`failed a request: VixError ${String(vixError)}`);
    return true;
  }

  #mayRepeat(io: SupervisedIo, meaning: string, isFlush: boolean): boolean {
    const { backlog } = this.#disk;
    if (meaning === 'session') {
      // Without any progress it is an outage, and the restart policy's affair.
      if (this.#progress) io.sessionFailures++;
      return io.sessionFailures <= SESSION_FAILURES_MAX;
    }
    if (meaning === 'final' && !isFlush) return false;
    if (io.failedBefore) {
      if (!isFlush) backlog.reopenedInVain(io);
      return false;
    }
    io.failedBefore = true;
    return isFlush || backlog.mayReopenFor(io);
  }
}
