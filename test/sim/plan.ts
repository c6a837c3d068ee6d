// What one run is like: the disk, its clients, and how its library behaves, all drawn from the
// seed. A kind of run narrows it: `memory` has hosts short of memory, and so on.
import type { Random } from './random.js';

/**
 * What a run is about. `any` mixes the failures that must never be noticed; `calm` has none, but a
 * front end that pauses; `large` has requests of many pieces; in `poison` a sector kills the
 * library; in `frantic` it dies so often that innocents look guilty; in `outage` it is away for so
 * long that requests fail.
 */
export const KINDS = ['any', 'calm', 'large', 'poison', 'frantic', 'outage'] as const;
export type Kind = (typeof KINDS)[number];

export interface Plan {
  kind: Kind;
  // The disk.
  sizeBytes: number;
  cells: number;
  memoryBytes: number;
  /** What is read ahead, and kept of what was read; 0: nothing. */
  readaheadBytesMax: number;
  cacheBytesMax: number;
  /** Writes stay in the library until a flush. */
  isVolatile: boolean;
  /** The program takes it for such a library: it keeps a journal. */
  buffersWrites: boolean;
  lateMs: number;
  holdsLock: boolean;
  fences: boolean;
  /** A spare helper stands by. */
  spare: boolean;
  // The clients.
  clients: number;
  depth: number;
  requests: number;
  /** Cells of the longest request. */
  cellsMax: number;
  /** Mean time of a client between two looks at what it could send. */
  thinkMs: number;
  readShare: number;
  /** Of reads: those that begin where the client's last one ended. */
  streakShare: number;
  flushShare: number;
  /** What of the disk is data; and what is only made ready. */
  extentsShare: number;
  cacheShare: number;
  fuaShare: number;
  /** The front end stops for a while, this often for each request, and so long. */
  pause: number;
  pauseMs: number;
  /** A client goes away this often, and comes back at once. */
  disconnect: number;
  // The library.
  iosPerLife: number;
  /** Counted from its open. */
  msPerLife: number;
  callDeath: number;
  callHang: number;
  hang: number;
  lostReply: number;
  flushFailure: number;
  sessionLoss: number;
  memory: { requests: number; bytes: number } | undefined;
  /** A sector that kills the library whenever it is touched. */
  poison: number | undefined;
  /** Every QueryAllocatedBlocks kills the library. */
  queryKills: boolean;
  ioMs: readonly [number, number];
  flushMs: readonly [number, number];
  /** A flush begins at once, and covers what was there then; requests go on beside it. */
  flushOverlaps: boolean;
  openMs: readonly [number, number];
  /** From SIGKILL to the end of the process. */
  exitMs: number;
  /** After a death the host refuses opens, this often and up to so long. */
  outage: number;
  outageMs: number;
  /** Whether overlapping requests in a helper are a violation by themselves. */
  checksOrder: boolean;
}

const MIB = 1024 * 1024;
/** A host that has less can do nothing at all: the program goes down to requests of a page. */
const MEMORY_BYTES_LEAST = 4096;

/** The rest is as a calm run has it. */
export function planOf(kind: Kind, random: Random): Plan {
  const isLarge = kind === 'large';
  const isVolatile = random.chance(0.85);
  const slow = random.chance(0.2);
  const sizeBytes = isLarge ? 12 * MIB : 512 * (8 + random.below(250));
  const plan: Plan = {
    kind,
    sizeBytes,
    cells: isLarge ? 40 : 4 + random.below(100),
    memoryBytes: 16 * MIB,
    readaheadBytesMax: random.chance(0.8) ? 8 * MIB : 0,
    cacheBytesMax: random.pick([Infinity, Infinity, 64 * 1024, 0]),
    isVolatile,
    buffersWrites: isVolatile || random.chance(0.5),
    lateMs: random.pick([0, 1, 100, 3000]),
    holdsLock: random.chance(0.5),
    fences: true,
    spare: random.chance(0.5),
    clients: 1 + random.below(4),
    depth: random.pick([1, 2, 4, 16]),
    requests: isLarge ? 60 : 100 + random.below(400),
    cellsMax: isLarge ? 8 : random.pick([2, 5, 20]),
    thinkMs: random.pick([0.1, 1, 5, 100]),
    readShare: random.between(0.1, 0.7),
    streakShare: random.pick([0, 0.5, 0.95]),
    flushShare: random.pick([0.01, 0.05, 0.2]),
    extentsShare: random.pick([0, 0.02, 0.1]),
    cacheShare: random.pick([0, 0, 0.05]),
    fuaShare: random.pick([0, 0.1, 0.5]),
    pause: random.chance(0.3) ? 0.01 : 0,
    pauseMs: random.pick([10, 1000, 100_000]),
    disconnect: random.chance(0.3) ? 0.02 : 0,
    iosPerLife: Infinity,
    msPerLife: Infinity,
    callDeath: 0,
    callHang: 0,
    hang: 0,
    lostReply: 0,
    flushFailure: 0,
    sessionLoss: 0,
    memory: undefined,
    poison: undefined,
    queryKills: false,
    ioMs: slow ? [1, 2000] : [0.01, random.pick([0.02, 1, 10])],
    flushMs: slow ? [1, 5000] : [0.1, 5],
    flushOverlaps: random.chance(0.3),
    openMs: slow ? [100, 20_000] : [0.5, random.pick([1, 50])],
    exitMs: random.pick([0.1, 5, 500]),
    outage: 0,
    outageMs: random.pick([100, 10_000, 120_000]),
    checksOrder: true,
  };
  return kind === 'calm' ? plan : { ...plan, ...failuresOf(plan, random, slow) };
}

function failuresOf(plan: Plan, random: Random, slow: boolean): Partial<Plan> {
  const often = (probability: number, value: number): number =>
    random.chance(probability) ? value : 0;
  const { kind, sizeBytes, isVolatile } = plan;
  const isFrantic = kind === 'frantic';
  const isShort = random.chance(0.2);
  // Fewer would convict innocents now and then: each dies of chance alone.
  const iosPerLife = isFrantic ? 2 + random.below(8) : random.pick([20, 30, 60, 150]);
  return {
    iosPerLife,
    msPerLife: random.pick([Infinity, Infinity, isFrantic ? 20 : 500]) * (slow ? 400 : 1),
    callDeath: often(0.3, 0.05),
    callHang: often(0.2, 0.01),
    hang: often(0.3, 0.003),
    lostReply: often(0.3, 0.003),
    flushFailure: isVolatile ? often(0.3, 0.05) : 0,
    sessionLoss: often(0.3, 0.003),
    memory: isShort
      ? {
          requests: 1 + random.below(8),
          // A page at a time is for small disks: the time that a run takes is limited.
          bytes:
            MEMORY_BYTES_LEAST +
            (kind === 'large' || random.chance(0.5) ? Math.ceil(sizeBytes / 16) : 0),
        }
      : undefined,
    poison: kind === 'poison' ? random.below(sizeBytes / 512) : undefined,
    queryKills: kind === 'poison' && random.chance(0.3),
    outage: kind === 'outage' ? 0.2 : often(0.3, 0.1),
    ...(kind === 'outage' && { outageMs: 3_600_000 }),
  };
}
