// The buddy allocator: no two lent slots overlap, every byte comes back, warm blocks come first.
import t from 'tap';
import fc from 'fast-check';
import { Slots, type Slot, slotBytesFor } from '../../src/arena/slots.js';
import { PIECE_BYTES_MAX, SLOT_BYTES_MIN } from '../../src/base/limits.js';

const MEMORY = Buffer.alloc(4 * PIECE_BYTES_MAX);

/** A length as requests have them: any order is as likely as any other. */
const lengths = fc
  .tuple(fc.integer({ min: 0, max: 9 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([order, share]) => Math.max(1, Math.ceil(SLOT_BYTES_MIN * 2 ** order * (0.5 + share / 2))));

t.test('sizes', async (t) => {
  t.equal(slotBytesFor(1), 4096);
  t.equal(slotBytesFor(4096), 4096);
  t.equal(slotBytesFor(4097), 8192);
  t.equal(slotBytesFor(PIECE_BYTES_MAX - 1), PIECE_BYTES_MAX);
  t.equal(slotBytesFor(PIECE_BYTES_MAX), PIECE_BYTES_MAX);
  const slots = new Slots(MEMORY, MEMORY.length);
  t.throws(() => slots.allocate(0), /a piece fits a slot/);
  t.throws(() => slots.allocate(PIECE_BYTES_MAX + 1), /a piece fits a slot/);
  t.throws(() => new Slots(MEMORY, PIECE_BYTES_MAX + 4096), /whole pieces/);
  t.throws(() => new Slots(MEMORY, MEMORY.length * 2), /in its memory/);
});

t.test('lent slots never overlap, are aligned, and all bytes return', async () => {
  const step = fc.oneof(fc.record({ lend: lengths }), fc.record({ free: fc.nat() }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const slots = new Slots(MEMORY, MEMORY.length);
      const lent: Slot[] = [];
      for (const one of steps) {
        if ('lend' in one) {
          const slot = slots.allocate(one.lend);
          if (slot === undefined) continue;
          if (slot.sizeBytes !== slotBytesFor(one.lend)) return false;
          if (slot.offsetBytes % slot.sizeBytes !== 0) return false;
          lent.push(slot);
        } else if (lent.length > 0) {
          const [slot] = lent.splice(one.free % lent.length, 1);
          slots.free(slot!);
        }
      }
      const sorted = lent.toSorted((a, b) => a.offsetBytes - b.offsetBytes);
      let endBytes = 0;
      for (const slot of sorted) {
        if (slot.offsetBytes < endBytes) return false;
        endBytes = slot.offsetBytes + slot.sizeBytes;
      }
      const lentBytes = lent.reduce((sum, slot) => sum + slot.sizeBytes, 0);
      if (endBytes > slots.bytes || slots.freeBytes !== slots.bytes - lentBytes) return false;
      for (const slot of lent) slots.free(slot);
      // Whole again: each of the largest blocks can be lent.
      for (let offset = 0; offset < slots.bytes; offset += PIECE_BYTES_MAX) {
        if (slots.allocate(PIECE_BYTES_MAX) === undefined) return false;
      }
      return slots.freeBytes === 0 && slots.allocate(1) === undefined;
    }),
    { numRuns: 200 },
  );
});

t.test('a freed block is the next to be lent, as the same record', async (t) => {
  const slots = new Slots(MEMORY, MEMORY.length);
  for (const lengthBytes of [1, 8192, 65536, PIECE_BYTES_MAX]) {
    const held = [1, 2, 3, 4].map(() => slots.allocate(lengthBytes)!);
    // Every other one, so that buddies do not merge.
    const freed = [held[2]!, held[0]!];
    for (const slot of freed) slots.free(slot);
    for (const slot of freed.toReversed()) t.equal(slots.allocate(lengthBytes), slot);
    for (const slot of held) slots.free(slot);
  }
  t.equal(slots.freeBytes, slots.bytes);
});

t.test('a slot is freed once', async (t) => {
  const slots = new Slots(MEMORY, MEMORY.length);
  const slot = slots.allocate(1)!;
  slots.free(slot);
  t.throws(() => {
    slots.free(slot);
  }, /freed once/);
});

t.test('views', async (t) => {
  const slots = new Slots(MEMORY, MEMORY.length);
  slots.allocate(SLOT_BYTES_MIN);
  const slot = slots.allocate(10_000)!;
  const view = slot.view(512, 1000);
  t.equal(view.length, 1000);
  t.equal(view.byteOffset, MEMORY.byteOffset + slot.offsetBytes + 512);
  t.equal(slot.view(512, 1000), view, 'the last view is kept');
  t.not(slot.view(0, 1000), view);
  t.equal(slot.view(0, slot.sizeBytes).length, 16384);
  t.throws(() => slot.view(1, slot.sizeBytes), /view in slot/);
  t.throws(() => slot.view(-1, 1), /view in slot/);
});
