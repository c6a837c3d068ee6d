// What a disk over a helper is opened with. program/ fills it in; helper-disk.ts acts on it.
import type { Arenas } from '../arena/arena.js';
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { CallCount } from '../helper/call-counts.js';
import type { Helper, HelperListener } from '../helper/helper.js';
import type { ErrorPolicy } from '../supervisor/error-policy.js';
import type { Logins } from '../supervisor/logins.js';
import type { SessionParams } from '../supervisor/open-session.js';
import type { BlocksQuestion } from './extents.js';

/** Who wants to know more of a disk than its requests need. */
export interface DiskObserver {
  /** Calls of the library by all helpers of the disk: told once, when it is closed. */
  counted?: (counts: CallCount[]) => void;
  /** What the library says is allocated, as Supervisor.allocatedBlocks() has it. */
  allocated?: (question: BlocksQuestion, blocks: number[] | undefined) => void;
}

export interface HelperDiskOptions {
  /** What the log calls the disk. */
  name: string;
  session: Omit<SessionParams, 'hello'> & {
    hello: Omit<SessionParams['hello'], 'readArenaBytes' | 'writeArenaBytes'>;
  };
  /** Both arenas together; at least MEMORY_BYTES_MIN. */
  memoryBytes: number;
  /** --readahead: what is read ahead of a client that reads on and on, in bytes; 0: nothing. */
  readaheadBytesMax: number;
  /** --cache: what is kept of what was read, in bytes; 0: nothing. At most half an arena is. */
  cacheBytesMax: number;
  observer?: DiskObserver;
  /** Which file the disk's path names now, in words to compare; it throws if there is none. */
  fileIdentity: () => string;
  startHelper: (arenas: Arenas, listener: HelperListener) => Helper;
  /** Whether the library may forget writes that it has not flushed when its process dies. */
  buffersWrites: boolean;
  clock: Clock;
  log: Log;
  random: () => number;
  /** How long close() may wait for the helper before it gives up. */
  closeTimeoutMs: number;
  /** These five are SupervisorOptions'. */
  logins: Logins;
  requestTimeoutMs: number;
  recoveryTimeoutMs: number;
  spare: boolean;
  errors: ErrorPolicy;
  /**
   * What is true of ranges that the library says it has not allocated, when the disk is open in
   * this transport mode: EXTENT_* bits; 0: nothing, don't ask.
   */
  holeState: (transportMode: string) => number;
}
