// What the helpers of one run have in common: their world, their host, and what the run wants to
// know of them. simulation.ts makes one for each run.
import type { Host } from './host.js';
import type { Violation } from './model.js';
import type { Plan } from './plan.js';
import type { Random } from './random.js';
import type { World } from './world.js';

/** What all helpers of one run share. */
export interface Setting {
  world: World;
  random: Random;
  host: Host;
  plan: Plan;
  tally: Tally;
  fail: (violation: Violation) => void;
  /** A line for the trace. */
  note: (text: string) => void;
  /** A flush is about to fail. False: somebody would see it fail twice, and may fail then. */
  mayFlushFail: () => boolean;
  /** The disk is being closed: helpers may be killed for that alone. */
  isClosing: () => boolean;
  /** From the arenas of the disk. */
  readFd: number;
  /** Memory of what was read and answered, and has not left yet. */
  lent: () => Buffer[];
  writeFd: number;
  readArenaBytes: number;
  arenaBytes: number;
}

/** What was done to the program. */
export class Tally {
  lives = 0;
  opens = 0;
  deaths = 0;
  kills = 0;
  hangs = 0;
  /** How many opens there had been when a call hung last. */
  opensAtHang = 0;
  flushes = 0;
  queries = 0;
  lostReplies = 0;
  failedFlushes = 0;
  lostSessions = 0;
  refusals = 0;
  outOfMemory = 0;
  ios = 0;
}
