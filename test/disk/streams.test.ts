// Streams: what counts as one, and how far ahead of it to read.
import t from 'tap';
import { Streams } from '../../src/disk/streams.js';

const KIB_SECTORS = 2;
const MIB_SECTORS = 2048;

t.test('a stream is what goes on for a while', (t) => {
  const streams = new Streams();
  t.notOk(streams.read(800, 808));
  t.notOk(streams.read(808, 816), 'two of 4 KiB may be chance');
  t.match(streams.read(816, 824), { nextSector: 824, windowSectors: 128 * KIB_SECTORS });
  t.notOk(streams.read(0, 128));
  t.match(streams.read(128, 256), { windowSectors: 256 * KIB_SECTORS, chunkSectors: 128 });
  t.notOk(streams.read(1_000_000, 1_004_096), 'one long read is none');
  t.match(streams.read(824, 832), { nextSector: 832 }, 'the first goes on');
  t.end();
});

t.test('eight are told apart, and the one that rested longest gives way', (t) => {
  const streams = new Streams();
  const read = (file: number, n: number) =>
    streams.read(file * 1_000_000 + n * 64, file * 1_000_000 + n * 64 + 64);
  for (let file = 0; file < 8; file++) read(file, 0);
  for (let n = 1; n < 4; n++) for (let file = 0; file < 8; file++) t.ok(read(file, n));
  t.notOk(read(8, 0));
  t.notOk(read(0, 4), 'forgotten for the ninth');
  t.ok(read(7, 4));
  t.end();
});

t.test('a stream that is known may come out of order, another may not', (t) => {
  const streams = new Streams();
  for (let n = 0; n < 4; n++) streams.read(n * 128, n * 128 + 128);
  t.match(streams.read(768, 896), { nextSector: 896 }, 'one is missing');
  t.match(streams.read(512, 640), { nextSector: 896 }, 'here it is');
  t.notOk(streams.read(896 + MIB_SECTORS, 1024 + MIB_SECTORS), 'that is elsewhere');
  t.end();
});

t.test('the window grows once for each window that its client waits in', (t) => {
  const streams = new Streams();
  streams.read(0, 128);
  const stream = streams.read(128, 256)!;
  const growth: number[] = [];
  for (let n = 2; n < 40; n++) {
    stream.waited(4096);
    if (growth.at(-1) !== stream.windowSectors) growth.push(stream.windowSectors);
    streams.read(n * 128, n * 128 + 128);
  }
  t.same(growth, [1024, 2048, 4096]);
  t.equal(stream.chunkSectors, 1024);
  t.end();
});

t.test('the window shrinks when all is there far too early, not below its beginning', (t) => {
  const streams = new Streams();
  streams.read(0, 128);
  const stream = streams.read(128, 256)!;
  stream.waited(4096);
  t.equal(stream.windowSectors, 1024);
  for (let n = 0; n < 31; n++) stream.arrivedEarly(100, 1);
  stream.arrivedEarly(2, 1);
  for (let n = 0; n < 31; n++) stream.arrivedEarly(100, 1);
  t.equal(stream.windowSectors, 1024, 'one was just in time');
  stream.arrivedEarly(100, 1);
  t.equal(stream.windowSectors, 512);
  for (let n = 0; n < 100; n++) stream.arrivedEarly(100, 1);
  t.equal(stream.windowSectors, 512);
  t.end();
});

t.test('a place is used again without its past', (t) => {
  const streams = new Streams();
  const stream = [0, 1, 2].map((n) => streams.read(n * 4096, n * 4096 + 4096))[2]!;
  t.ok(stream.isLong);
  stream.aheadSector = 99;
  for (let file = 1; file < 9; file++) streams.read(file * 1_000_000, file * 1_000_000 + 8);
  t.match(stream, { isLong: false, isSequential: false, aheadSector: 0, windowSectors: 0 });
  t.end();
});
