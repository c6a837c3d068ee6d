// Who gets memory of a disk's arenas, and when. All pieces of a demand, from both arenas, are
// granted together or not at all, in order of arrival over all sessions. The rules: a demand that
// waits for an arena holds up everybody behind it who needs that arena, so nobody starves, and
// clients that write can't keep others from reading; one that waits because its own session holds
// half an arena already holds up only that session.
import type { Clock } from '../base/clock.js';
import { invariant } from '../base/errors.js';
import { PIECE_BYTES_MAX } from '../base/limits.js';
import { empty } from '../base/lists.js';
import { type Slot, type Slots, slotBytesFor } from './slots.js';

/** What grants need of Arenas. */
export interface GrantArenas {
  readonly read: Slots;
  readonly write: Slots;
  readonly arenaBytes: number;
}

type DemandState = 'idle' | 'waiting' | 'granted' | 'charged';

/** What one session holds, in bytes of slots. */
class Account {
  readBytes = 0;
  writeBytes = 0;
  waiting = 0;
  /** The round of the queue in which a demand of this session was passed over. */
  passedInRound = 0;
}

/** The need of one request. A record that its owner preallocates and uses again. */
export class Demand {
  /** Set by the owner before request(): bytes of each arena, cut into pieces of PIECE_BYTES_MAX. */
  readBytes = 0;
  writeBytes = 0;
  /** Whose it is: any object, compared by identity. */
  session: object = this;
  /** For the owner's use. */
  owner: unknown = undefined;
  /** Filled by the grant: whole pieces, then the rest. */
  readonly readSlots: Slot[] = [];
  readonly writeSlots: Slot[] = [];
  /** For Grants alone. */
  state: DemandState = 'idle';
  sinceMs = 0;
  /** The arenas it was refused: they stay kept for it, or others could take turns with them. */
  lacksRead = false;
  lacksWrite = false;
  account: Account | undefined = undefined;
  readonly onGranted: (demand: Demand) => void;

  /** `onGranted` is called when a demand that had to wait is granted. */
  constructor(onGranted: (demand: Demand) => void) {
    this.onGranted = onGranted;
  }
}

/** The queue of one disk. It holds as many demands as sessions are allowed to have waiting. */
export class Grants {
  readonly #arenas: GrantArenas;
  readonly #clock: Clock;
  /** Most that a session may hold of each arena, unless it holds nothing else. */
  readonly #sessionBytesMax: number;
  readonly #accounts = new WeakMap<object, Account>();
  readonly #queue: Demand[] = [];
  /** Whether some demand in the queue waits for memory of this arena. */
  #readShort = false;
  #writeShort = false;
  #serving = false;
  /** Counts what may have made a queued demand grantable. */
  #changes = 0;
  #round = 0;
  /**
   * Frees some memory of the read arena that is only kept for convenience, by freeRead(); false:
   * there is none. Set by who keeps it.
   */
  reclaim: () => boolean = () => false;

  constructor(arenas: GrantArenas, clock: Clock) {
    this.#arenas = arenas;
    this.#clock = clock;
    this.#sessionBytesMax = arenas.arenaBytes / 2;
  }

  /** True: granted now. False: onGranted() will be called, never inside this call. */
  request(demand: Demand): boolean {
    const { read, write } = this.#arenas;
    invariant(demand.state === 'idle', 'a demand is made once');
    invariant(slotBytesOf(demand.readBytes) <= read.bytes, 'the read arena can hold the demand');
    invariant(slotBytesOf(demand.writeBytes) <= write.bytes, 'the write arena can hold the demand');
    const account = this.#accountOf(demand.session);
    demand.account = account;
    demand.lacksRead = demand.lacksWrite = false;
    const mayPass = !this.#serving && account.waiting === 0 && !this.#isKept(demand);
    if (mayPass && !this.#isCapped(demand, account)) {
      if (this.#take(demand, account)) return true;
    }
    demand.state = 'waiting';
    demand.sinceMs = this.#clock.nowMs();
    account.waiting++;
    this.#queue.push(demand);
    this.#changes++;
    return false;
  }

  /** Gives back all that `demand` holds, or ends its wait; it is idle then. Idempotent. */
  release(demand: Demand): void {
    const { account, state } = demand;
    if (account === undefined || state === 'idle') return;
    demand.state = 'idle';
    if (state === 'waiting') {
      account.waiting--;
      this.#queue.splice(this.#queue.indexOf(demand), 1);
    } else if (state === 'charged') {
      account.readBytes -= slotBytesOf(demand.readBytes);
    } else {
      account.readBytes -= freeAll(this.#arenas.read, demand.readSlots);
      account.writeBytes -= freeAll(this.#arenas.write, demand.writeSlots);
    }
    this.#serve();
  }

  /**
   * Counts the read memory of `demand` as its session's, though it is sent from memory of others:
   * until release(). False: the session would hold more than its share.
   */
  charge(demand: Demand): boolean {
    invariant(demand.state === 'idle', 'a demand is made once');
    const account = this.#accountOf(demand.session);
    if (account.waiting > 0 || this.#isCapped(demand, account)) return false;
    demand.account = account;
    demand.state = 'charged';
    account.readBytes += slotBytesOf(demand.readBytes);
    return true;
  }

  /** Takes all read slots of a granted `demand` from it: they are whose who frees them. */
  keepRead(demand: Demand): void {
    invariant(demand.account !== undefined, 'only what is granted can be kept');
    for (const slot of demand.readSlots) demand.account.readBytes -= slot.sizeBytes;
    empty(demand.readSlots);
  }

  /** A read slot for nobody's request, if there is one and no request waits for memory. */
  takeRead(lengthBytes: number): Slot | undefined {
    return this.#queue.length > 0 ? undefined : this.#arenas.read.allocate(lengthBytes);
  }

  /** Frees a read slot that was kept or taken. Call retry() when what is done is done. */
  freeRead(slot: Slot): void {
    this.#arenas.read.free(slot);
  }

  /** Memory that is reclaimed or freed may have become more. */
  retry(): void {
    if (this.#queue.length > 0) this.#serve();
  }

  /**
   * Takes those write slots of a granted `demand` from it for which `isKept` says so. They are
   * nobody's then, and count for no session, until they are given back.
   */
  keep(demand: Demand, isKept: (slot: Slot) => boolean): void {
    if (demand.account === undefined) return;
    let left = 0;
    for (const slot of demand.writeSlots) {
      if (isKept(slot)) demand.account.writeBytes -= slot.sizeBytes;
      else demand.writeSlots[left++] = slot;
    }
    while (demand.writeSlots.length > left) demand.writeSlots.pop();
  }

  /** Frees a write slot that was kept. */
  giveBack(slot: Slot): void {
    this.#arenas.write.free(slot);
    this.#serve();
  }

  /** The demands that wait and need memory of the write arena, oldest first. */
  waitingToWrite(): Demand[] {
    return this.#queue.filter(({ writeBytes }) => writeBytes > 0);
  }

  /** Whether any demand waits that needs memory of the write arena. */
  get isWaitingToWrite(): boolean {
    return this.#queue.length > 0 && this.#queue.some(({ writeBytes }) => writeBytes > 0);
  }

  /** When the oldest demand of another session began to wait for memory (Clock.nowMs). */
  oldestWaitSinceMs(exceptSession: object): number | undefined {
    let oldestMs: number | undefined;
    for (const demand of this.#queue) {
      if (demand.session === exceptSession) continue;
      if (demand.account === undefined || this.#isCapped(demand, demand.account)) continue;
      oldestMs = Math.min(oldestMs ?? demand.sinceMs, demand.sinceMs);
    }
    return oldestMs;
  }

  #accountOf(session: object): Account {
    let account = this.#accounts.get(session);
    if (account === undefined) {
      account = new Account();
      this.#accounts.set(session, account);
    }
    return account;
  }

  /** Whether the session of `demand` would hold more than its share. */
  #isCapped(demand: Demand, account: Account): boolean {
    if (account.readBytes === 0 && account.writeBytes === 0) return false;
    return (
      account.readBytes + slotBytesOf(demand.readBytes) > this.#sessionBytesMax ||
      account.writeBytes + slotBytesOf(demand.writeBytes) > this.#sessionBytesMax
    );
  }

  /** Whether both arenas are kept for somebody. */
  #nothingLeft(): boolean {
    return this.#readShort && this.#writeShort;
  }

  /** Whether memory that `demand` needs is kept for somebody who came before it. */
  #isKept(demand: Demand): boolean {
    return (this.#readShort && demand.readBytes > 0) || (this.#writeShort && demand.writeBytes > 0);
  }

  /** `demand` has its turn and could not be granted. */
  #keepFor(demand: Demand): false {
    this.#readShort ||= demand.lacksRead;
    this.#writeShort ||= demand.lacksWrite;
    return false;
  }

  /** All or nothing; what is missing is kept for it from now on. */
  #take(demand: Demand, account: Account): boolean {
    const { read, write } = this.#arenas;
    while (!allocateAll(read, demand.readBytes, demand.readSlots)) {
      if (this.reclaim()) continue;
      demand.lacksRead = true;
      return this.#keepFor(demand);
    }
    if (!allocateAll(write, demand.writeBytes, demand.writeSlots)) {
      freeAll(read, demand.readSlots);
      demand.lacksWrite = true;
      return this.#keepFor(demand);
    }
    demand.state = 'granted';
    account.readBytes += slotBytesOf(demand.readBytes);
    account.writeBytes += slotBytesOf(demand.writeBytes);
    return true;
  }

  /** Grants what can be granted, after memory or a session's share became free. */
  #serve(): void {
    this.#changes++;
    if (this.#queue.length === 0) this.#readShort = this.#writeShort = false;
    if (this.#queue.length === 0 || this.#serving) return;
    this.#serving = true;
    try {
      while (this.#serveRound());
    } finally {
      this.#serving = false;
    }
  }

  /** One walk over the queue. True: onGranted() has changed things, so that another must follow. */
  #serveRound(): boolean {
    this.#round++;
    this.#readShort = this.#writeShort = false;
    const changes = this.#changes;
    let index = 0;
    while (index < this.#queue.length && this.#changes === changes) {
      const demand = this.#queue[index];
      const account = demand?.account;
      invariant(demand !== undefined && account !== undefined, 'a queued demand has an account');
      if (account.passedInRound === this.#round || this.#isCapped(demand, account)) {
        account.passedInRound = this.#round;
        // What it waits for is its own session, so its wait for memory has not begun.
        demand.sinceMs = this.#clock.nowMs();
        index++;
      } else if (!this.#isKept(demand) && this.#take(demand, account)) {
        this.#queue.splice(index, 1);
        account.waiting--;
        demand.onGranted(demand);
      } else {
        if (this.#nothingLeft()) return false;
        account.passedInRound = this.#round;
        index++;
      }
    }
    return this.#changes !== changes;
  }
}

/** Bytes of the slots that a demand for `bytes` occupies. */
function slotBytesOf(bytes: number): number {
  const restBytes = bytes % PIECE_BYTES_MAX;
  return bytes - restBytes + (restBytes === 0 ? 0 : slotBytesFor(restBytes));
}

/** Fills `slots` with pieces for `bytes`, or leaves it empty and returns false. */
function allocateAll(arena: Slots, bytes: number, slots: Slot[]): boolean {
  if (slotBytesOf(bytes) > arena.freeBytes) return false;
  for (let leftBytes = bytes; leftBytes > 0; leftBytes -= PIECE_BYTES_MAX) {
    const slot = arena.allocate(Math.min(leftBytes, PIECE_BYTES_MAX));
    if (slot === undefined) {
      freeAll(arena, slots);
      return false;
    }
    slots.push(slot);
  }
  return true;
}

/** Empties `slots` into the arena; how many bytes they were. */
function freeAll(arena: Slots, slots: Slot[]): number {
  let bytes = 0;
  for (const slot of slots) {
    bytes += slot.sizeBytes;
    arena.free(slot);
  }
  empty(slots);
  return bytes;
}
