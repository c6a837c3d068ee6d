// The slot allocator of one arena: a buddy allocator with blocks of SLOT_BYTES_MIN to
// PIECE_BYTES_MAX, every one aligned to its size. Used through grants.ts. The rules: nothing is
// allocated on the hot path (the record of a block is made once and used again), and of the free
// blocks of one size the one freed last is lent first, because its pages are warm.
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

/** Where a block is: split or merged away, in a free list, or lent. */
type BlockState = 'absent' | 'free' | 'lent';

/** A block of the arena while it is lent, and its record at all other times. */
export class Slot {
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  /** For Slots alone. */
  readonly order: number;
  state: BlockState = 'absent';
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
  /** Per order: the records made so far by index, and the block freed last. */
  readonly #records: (Slot | undefined)[][] = [];
  readonly #newest: (Slot | undefined)[] = [];
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
    let from = order;
    while (this.#newest[from] === undefined) {
      if (from === ORDER_MAX) return undefined;
      from++;
    }
    const block = this.#newest[from];
    invariant(block !== undefined, 'a free block was found');
    this.#removeFree(block);
    while (from > order) {
      from--;
      this.#pushFree(this.#record(block.offsetBytes + (SLOT_BYTES_MIN << from), from));
    }
    const slot = this.#record(block.offsetBytes, order);
    slot.state = 'lent';
    this.#freeBytes -= slot.sizeBytes;
    return slot;
  }

  /** Takes `slot` back. It must be lent. */
  free(slot: Slot): void {
    invariant(slot.state === 'lent', 'a slot is freed once');
    this.#freeBytes += slot.sizeBytes;
    slot.state = 'absent';
    let block = slot;
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
