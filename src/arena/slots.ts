// The slot allocator of one arena: a buddy allocator with blocks of SLOT_BYTES_MIN to
// PIECE_BYTES_MAX, every one aligned to its size. Used through grants.ts. The rules: nothing is
// allocated on the hot path (the record of a block is made once and used again), and of the free
// blocks of one size the one freed last is lent first, because its pages are warm. That one is also
// not merged until the next is freed: lone requests in a row would split and merge nine times.
import { invariant } from '../base/errors.js';
import { PIECE_BYTES_MAX, SLOT_BYTES_MIN } from '../base/limits.js';

/** log2 of the number of smallest slots in the largest. */
const ORDER_MAX = Math.log2(PIECE_BYTES_MAX / SLOT_BYTES_MIN);
const SLOT_SHIFT = Math.log2(SLOT_BYTES_MIN);
invariant(Number.isInteger(ORDER_MAX) && Number.isInteger(SLOT_SHIFT), 'slots are powers of two');

/** The order of the smallest block that holds `lengthBytes`. */
function orderOf(lengthBytes: number): number {
  return 32 - Math.clz32((lengthBytes - 1) >>> SLOT_SHIFT);
}

/** Bytes of the slot that a piece of `lengthBytes` (1 to PIECE_BYTES_MAX) occupies. */
export function slotBytesFor(lengthBytes: number): number {
  return SLOT_BYTES_MIN << orderOf(lengthBytes);
}

/** Where a block is: split or merged away, in a free list, freed last of its size, or lent. */
type BlockState = 'absent' | 'free' | 'warm' | 'lent';

/** A block of the arena while it is lent, and its record at all other times. */
export class Slot {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** For Slots alone. */
  readonly order: number;
  state: BlockState = 'absent';
  /** Its request has left it to KeptSlots, and how many entries of the journal refer to it. */
  isKept = false;
  journalEntries = 0;
  /** Neighbours in the free list of this order. */
  newer: Slot | undefined = undefined;
  older: Slot | undefined = undefined;
  readonly #memory: Buffer;
  #view: Buffer | undefined = undefined;
  #viewStartBytes = 0;

  constructor(memory: Buffer, offsetBytes: number, order: number) {
    this.#memory = memory;
    this.offsetBytes = offsetBytes;
    this.sizeBytes = SLOT_BYTES_MIN << order;
    this.order = order;
  }

  /** The bytes `startBytes` to `startBytes + lengthBytes` of this slot. The last view is kept. */
  view(startBytes: number, lengthBytes: number): Buffer {
    const last = this.#view;
    if (last?.length === lengthBytes && this.#viewStartBytes === startBytes) return last;
    const endBytes = startBytes + lengthBytes;
    invariant(startBytes >= 0 && lengthBytes >= 0 && endBytes <= this.sizeBytes, 'view in slot');
    const view = this.#memory.subarray(this.offsetBytes + startBytes, this.offsetBytes + endBytes);
    this.#view = view;
    this.#viewStartBytes = startBytes;
    return view;
  }
}

/** The lendable part of one arena. */
export class Slots {
  /** Bytes that can be lent, a multiple of PIECE_BYTES_MAX. */
  readonly bytes: number;
  readonly #memory: Buffer;
  /** Per order: the records made so far by index, the newest free block, and the warm one. */
  readonly #records: (Slot | undefined)[][] = [];
  readonly #newest: (Slot | undefined)[] = [];
  readonly #warm: (Slot | undefined)[] = [];
  #freeBytes = 0;

  /** Lends the first `bytes` of `memory`. */
  constructor(memory: Buffer, bytes: number) {
    invariant(bytes > 0 && bytes % PIECE_BYTES_MAX === 0, 'an arena is whole pieces');
    invariant(bytes <= memory.length, 'an arena is in its memory');
    this.#memory = memory;
    this.bytes = bytes;
    for (let order = 0; order <= ORDER_MAX; order++) {
      this.#records.push([]);
      this.#newest.push(undefined);
      this.#warm.push(undefined);
    }
    // Backwards, so that the lowest block is the first to be lent.
    for (let offsetBytes = bytes; offsetBytes > 0;) {
      offsetBytes -= PIECE_BYTES_MAX;
      this.#pushFree(this.#record(offsetBytes, ORDER_MAX));
    }
    this.#freeBytes = bytes;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /**
   * A slot of at least `lengthBytes` (1 to PIECE_BYTES_MAX); undefined if no block is that large.
   */
  allocate(lengthBytes: number): Slot | undefined {
    invariant(lengthBytes > 0 && lengthBytes <= PIECE_BYTES_MAX, 'a piece fits a slot');
    const order = orderOf(lengthBytes);
    const slot = this.#takeWarm(order) ?? this.#split(order) ?? this.#mergeAndSplit(order);
    if (slot === undefined) return undefined;
    slot.state = 'lent';
    this.#freeBytes -= slot.sizeBytes;
    return slot;
  }

  /** Takes `slot` back. It must be lent. */
  free(slot: Slot): void {
    invariant(slot.state === 'lent', 'a slot is freed once');
    invariant(slot.journalEntries === 0 && !slot.isKept, 'what the journal may repeat stays lent');
    this.#freeBytes += slot.sizeBytes;
    const before = this.#takeWarm(slot.order);
    if (before !== undefined) this.#merge(before);
    slot.state = 'warm';
    this.#warm[slot.order] = slot;
  }

  #takeWarm(order: number): Slot | undefined {
    const block = this.#warm[order];
    if (block !== undefined) this.#warm[order] = undefined;
    return block;
  }

  /** Takes the newest block of the smallest order that has one, and gives back what is too much. */
  #split(order: number): Slot | undefined {
    let from = order;
    while (from < ORDER_MAX && this.#newest[from] === undefined) from++;
    const block = this.#newest[from];
    if (block === undefined) return undefined;
    this.#removeFree(block);
    while (from > order) {
      from--;
      this.#pushFree(this.#record(block.offsetBytes + (SLOT_BYTES_MIN << from), from));
    }
    return this.#record(block.offsetBytes, order);
  }

  /** The last resort: blocks that were kept warm may be what is missing to a larger one. */
  #mergeAndSplit(order: number): Slot | undefined {
    for (let warm = 0; warm <= ORDER_MAX; warm++) {
      const block = this.#takeWarm(warm);
      if (block !== undefined) this.#merge(block);
    }
    return this.#split(order);
  }

  /** Frees `block`, joined with its buddies as far as they are free. */
  #merge(block: Slot): void {
    block.state = 'absent';
    while (block.order < ORDER_MAX) {
      const index = block.offsetBytes / block.sizeBytes;
      const buddy = this.#records[block.order]?.[index ^ 1];
      if (buddy?.state !== 'free') break;
      this.#removeFree(buddy);
      const lower = Math.min(block.offsetBytes, buddy.offsetBytes);
      block = this.#record(lower, block.order + 1);
    }
    this.#pushFree(block);
  }

  /** The record of one block, made when it is first needed. */
  #record(offsetBytes: number, order: number): Slot {
    const records = this.#records[order];
    invariant(records !== undefined, 'an order in range');
    const index = offsetBytes / (SLOT_BYTES_MIN << order);
    return (records[index] ??= new Slot(this.#memory, offsetBytes, order));
  }

  #pushFree(block: Slot): void {
    const older = this.#newest[block.order];
    block.state = 'free';
    block.newer = undefined;
    block.older = older;
    if (older !== undefined) older.newer = block;
    this.#newest[block.order] = block;
  }

  #removeFree(block: Slot): void {
    block.state = 'absent';
    if (block.newer === undefined) this.#newest[block.order] = block.older;
    else block.newer.older = block.older;
    if (block.older !== undefined) block.older.newer = block.newer;
    block.newer = undefined;
    block.older = undefined;
  }
}
