// One library request under supervision: the record that the disk hands in, that travels to one
// helper after another if they die, and that is settled once.
import type { HelperIo } from '../helper/helper.js';
import type { IoOpNumber } from '../helper/protocol.js';
import type { FlushMark } from './journal.js';

/** Who judges answers: the supervisor. */
export interface AnswerJudge {
  answered(io: SupervisedIo, vixError: number | bigint): void;
}

/** A request record; its owner preallocates it, and reuses it after settled(). */
export abstract class SupervisedIo implements HelperIo {
  abstract op: IoOpNumber;
  startSector = 0;
  nrSectors = 0;
  arenaOffset = 0;
  judge: AnswerJudge | undefined = undefined;
  /** A write's slot; undefined for zeroes, which are always there, and for other operations. */
  memory: object | undefined = undefined;
  /** A flush's snapshot of the journal, taken when it was dispatched. */
  mark: FlushMark | undefined = undefined;
  /** A flush that failed once: it has made us write the journal again, and is tried once more. */
  failedBefore = false;

  /** The final result, after however many helpers; vixError 0 is success. */
  abstract settled(vixError: number | bigint): void;

  done(vixError: number | bigint): void {
    this.judge?.answered(this, vixError);
  }
}
