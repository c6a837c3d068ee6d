// The two arenas of one disk: sealed memfds, mapped here as Buffers and inherited by the helper.
// The helper fills the read arena; the write arena it can only read. The rule: nothing ever writes
// at zeroOffsetBytes, because WRITE_ZEROES takes its zeroes from there.
import { addonPath, loadAddon } from '../base/addon.js';
import { VddkNbdError, invariant, messageOf } from '../base/errors.js';
import { PIECE_BYTES_MAX, SLOT_BYTES_MIN } from '../base/limits.js';
import { Slots } from './slots.js';

/** What helper/addon/arena.c exports. Both throw an Error with the system's words. */
interface Addon {
  create(name: string, bytes: number, writeArena: boolean): { fd: number; memory: Buffer };
  close(fd: number): void;
}

/** The memory of one disk. */
export class Arenas {
  readonly read: Slots;
  readonly write: Slots;
  readonly readFd: number;
  readonly writeFd: number;
  /** Bytes of each of the two, but for the pages that are never lent. */
  readonly arenaBytes: number;
  /** Bytes of the read arena as the helper maps it. */
  readonly readArenaBytes: number;
  /** Offset of a page of the read arena for what is read and thrown away. It is never lent. */
  readonly scratchOffsetBytes: number;
  /** A page of the read arena in which helpers count, and where it is. It is never lent. */
  readonly counters: Buffer;
  readonly countersOffsetBytes: number;
  /** Offset of PIECE_BYTES_MAX zeroes in the write arena. They are never lent. */
  readonly zeroOffsetBytes: number;
  readonly #addon: Addon;
  #open = true;

  /**
   * Makes both arenas of together at most `totalBytes`, each a multiple of PIECE_BYTES_MAX.
   * Pages are allocated when they are touched first. Throws VddkNbdError (SYSTEM).
   */
  static create(totalBytes: number, addon = addonPath('arena')): Arenas {
    return new Arenas(loadAddon(addon) as Addon, totalBytes);
  }

  private constructor(addon: Addon, totalBytes: number) {
    const pieces = Math.floor(totalBytes / 2 / PIECE_BYTES_MAX);
    invariant(pieces >= 2, 'the write arena has a piece to lend besides its zeroes');
    this.#addon = addon;
    this.arenaBytes = pieces * PIECE_BYTES_MAX;
    this.zeroOffsetBytes = this.arenaBytes - PIECE_BYTES_MAX;
    this.scratchOffsetBytes = this.arenaBytes;
    this.countersOffsetBytes = this.scratchOffsetBytes + SLOT_BYTES_MIN;
    this.readArenaBytes = this.countersOffsetBytes + SLOT_BYTES_MIN;
    const read = createOne(addon, 'vddk-nbd-read', this.readArenaBytes, false);
    this.readFd = read.fd;
    try {
      const write = createOne(addon, 'vddk-nbd-write', this.arenaBytes, true);
      this.writeFd = write.fd;
      this.read = new Slots(read.memory, this.arenaBytes);
      this.counters = read.memory.subarray(this.countersOffsetBytes);
      this.write = new Slots(write.memory, this.zeroOffsetBytes);
    } catch (thrown) {
      addon.close(read.fd);
      throw thrown;
    }
  }

  /** Closes the descriptors; the memory goes with the last view of it. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#addon.close(this.readFd);
    this.#addon.close(this.writeFd);
  }
}

function createOne(
  addon: Addon,
  name: string,
  bytes: number,
  writeArena: boolean,
): { fd: number; memory: Buffer } {
  try {
    return addon.create(name, bytes, writeArena);
  } catch (cause) {
    throw new VddkNbdError(
      'SYSTEM',
      `can't create an arena of ${bytes} bytes: ${messageOf(cause)}`,
      {
        hint: 'It takes Linux 5.1 or newer, and limits that let this process have --memory.',
        cause,
      },
    );
  }
}
