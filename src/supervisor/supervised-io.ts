// One library request under supervision: the record that the disk hands in, that travels to one
// helper after another if they die, and that is settled once.
import type { HelperIo } from '../helper/helper.js';
import type { IoOpNumber } from '../helper/protocol.js';

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

  /** The final result, after however many helpers; vixError 0 is success. */
  abstract settled(vixError: number | bigint): void;

  done(vixError: number | bigint): void {
    this.judge?.answered(this, vixError);
  }
}
