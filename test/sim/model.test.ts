// The model that judges simulations: what it must let pass, and what it must not.
import t from 'tap';
import { Model, Violation, type WriteRecord } from './model.js';

const CUTS = [0, 100, 200, 300];

/** A write of `value` to all of the cells from `firstCell` on. */
function begin(model: Model, value: number, firstCell = 0, endCell = 3): WriteRecord {
  const bytes = Buffer.alloc(model.lengthOf(firstCell, endCell), value);
  return model.writeBegins(firstCell, endCell, bytes, `write of ${value}`);
}

function write(model: Model, value: number, fua = false): WriteRecord {
  const record = begin(model, value);
  model.writeEnds(record, { failed: false, fua });
  return record;
}

/** A whole read that begins and ends now. */
function read(model: Model, ...values: number[]): void {
  const key = {};
  model.readBegins(key);
  model.readEnds(key, 0, 3, full(...values));
}

function full(...values: number[]): Buffer {
  return Buffer.concat(CUTS.slice(1).map((_, i) => Buffer.alloc(100, values[i] ?? values[0])));
}

t.test('reads', async (t) => {
  const model = new Model(CUTS);
  read(model, 0);
  t.throws(() => {
    read(model, 1);
  }, Violation);
  write(model, 1);
  read(model, 1);
  t.throws(() => {
    read(model, 0);
  }, /which is over; it may be write of 1/);
  t.throws(() => {
    read(model, 1, 1, 0);
  }, /^byte 200:/);
});

t.test('writes under way', async (t) => {
  const model = new Model(CUTS);
  write(model, 1);
  const second = begin(model, 2);
  read(model, 1);
  read(model, 2, 1, 1);
  t.throws(() => {
    read(model, 1);
  }, /byte 0:/);
  read(model, 2);
  model.writeEnds(second, { failed: false, fua: false });
  read(model, 2);
});

t.test('a read under way may see what a later one may not', async (t) => {
  const model = new Model(CUTS);
  write(model, 1);
  const early = {};
  model.readBegins(early);
  write(model, 2);
  read(model, 2);
  model.readEnds(early, 0, 3, full(1));
  t.throws(() => {
    read(model, 1);
  }, Violation);
});

t.test('two writes at once may end either way, but only one way', async (t) => {
  const model = new Model(CUTS);
  const [one, two] = [begin(model, 1), begin(model, 2)];
  model.writeEnds(two, { failed: false, fua: false });
  model.writeEnds(one, { failed: false, fua: false });
  read(model, 2);
  t.throws(() => {
    read(model, 1);
  }, Violation);
});

t.test('a write that failed may be there or not, until the next one', async (t) => {
  const model = new Model(CUTS);
  write(model, 1);
  model.writeEnds(begin(model, 2), { failed: true, fua: false });
  read(model, 1, 2, 1);
  write(model, 3);
  t.throws(() => {
    read(model, 2);
  }, Violation);
});

t.test('a write that was never sent whole', async (t) => {
  const model = new Model(CUTS);
  model.writeNeverWas(begin(model, 1));
  t.throws(() => {
    read(model, 1);
  }, Violation);
});

t.test('the disk', async (t) => {
  const model = new Model(CUTS);
  const look = (...values: number[]): void => {
    model.touched(0, 300);
    model.durable(full(...values));
  };
  write(model, 1);
  look(0);
  const beganAt = model.moment();
  write(model, 2);
  model.flushEnds(beganAt);
  look(1);
  look(1, 2, 1);
  t.throws(() => {
    look(0);
  }, /the disk has the start, which is over|the disk has a 0/);
  write(model, 3, true);
  t.throws(() => {
    look(2);
  }, Violation);
  look(3);
  write(model, 4);
  look(3);
  t.throws(() => {
    model.final(full(3));
  }, Violation);
  model.final(full(4));
});

t.test('what has not been touched is not looked at again', async (t) => {
  const model = new Model(CUTS);
  write(model, 1);
  model.flushEnds(model.moment());
  model.durable(full(1));
  model.touched(0, 100);
  model.durable(full(1, 0, 0));
  model.touched(150, 160);
  t.throws(() => {
    model.durable(full(1, 0, 0));
  }, /^byte 100:/);
});
