// One library request under supervision: the record that the disk hands in, that travels to one
// helper after another if they die, and that is settled once.
import type { Helper, HelperIo } from '../helper/helper.js';
import type { IoOpNumber } from '../helper/protocol.js';
import type { FlushMark, JournalMemory } from './journal.js';
import type { Suspicion } from './suspects.js';

/** Who judges answers: a session, or the replay of the journal in it. */
export interface AnswerJudge {
  answered(io: SupervisedIo, vixError: number | bigint): void;
  /**
   * A part of a request has succeeded, and not its last: `nrSectors` of it, behind those that are
   * done. Whether they are done for good, and no later helper has to do them again.
   */
  partSucceeded(io: SupervisedIo, nrSectors: number): boolean;
}

/** Where the helper's answers arrive: the window of its session. */
export interface AnswerWindow {
  completed(io: SupervisedIo, vixError: number | bigint): void;
}

/** A request record; its owner preallocates it, and reuses it after settled() and renew(). */
export abstract class SupervisedIo implements HelperIo {
  abstract op: IoOpNumber;
  /** It is a flush of ours: it tells whether the library can flush, not whether all is well. */
  readonly isOwn: boolean = false;
  /**
   * It is a read that nobody has asked for: it is given up, and fails, where another would be
   * tried again, and it is never a suspect.
   */
  readonly isSpeculative: boolean = false;
  /** It is a call of ours, with a promise for an answer, and no I/O request of the helper. */
  readonly isCall: boolean = false;
  startSector = 0;
  nrSectors = 0;
  arenaOffset = 0;
  judge: AnswerJudge | undefined = undefined;
  window: AnswerWindow | undefined = undefined;
  /** A write's slot; undefined for zeroes, which are always there, and for other operations. */
  memory: JournalMemory | undefined = undefined;
  /** A flush's snapshot of the journal, taken when it was dispatched. */
  mark: FlushMark | undefined = undefined;
  /** An error of it made us open the disk anew, and it is tried a second time. */
  failedBefore = false;
  /** Sessions that were lost by it, after they had served others. */
  sessionFailures = 0;
  /** First sector of the part of it that the library had when its helper ended. */
  lastSector = 0;
  /** Sectors from its first on that are done for good, if it was cut in parts. */
  doneSectors = 0;
  /** When it was sent (Clock.nowMs), where somebody must know. */
  sentMs = 0;
  /** The deaths that it was in flight at. */
  suspicion: Suspicion | undefined = undefined;

  /** The final result, after however many helpers; vixError 0 is success. */
  abstract settled(vixError: number | bigint): void;

  /**
   * A part of a read has succeeded, and not its last: `nrSectors` behind doneSectors. Whether they
   * are done for good: put where a helper that dies can't overwrite them, or needed by nobody.
   * Without it they are not.
   */
  partRead?(nrSectors: number): boolean;

  /** Forgets the past of a record that is used again. */
  renew(): void {
    this.failedBefore = false;
    this.sessionFailures = 0;
    this.doneSectors = 0;
    this.suspicion = undefined;
  }

  /** Hands it to `helper`. */
  send(helper: Helper): void {
    helper.io(this);
  }

  done(vixError: number | bigint): void {
    this.window?.completed(this, vixError);
  }
}
