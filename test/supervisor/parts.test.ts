// Parts of a request in a library short of memory, and the journal: what is remembered of them.
import t from 'tap';
import { JOURNAL_ENTRIES_MAX } from '../../src/base/limits.js';
import { IO_OPS } from '../../src/helper/protocol.js';
import { setUpSupervisor, TestIo } from '../lib/sim-supervisor.js';

const { WRITE, FLUSH } = IO_OPS;
const OUT_OF_MEMORY = 2;
/** So many sectors are one request, until a library has no memory for that. */
const LONG = 4096;
const FAR = 1_000_000;

t.test(
  'a full journal takes no parts: the whole waits for a flush, and is one entry',
  async (t) => {
    const { supervisor, last, journal } = setUpSupervisor({ isVolatile: true });
    await supervisor.open();
    const answer = (startSector: number, vixError = 0): void => {
      last().answer(
        vixError,
        last().inFlight.findIndex((io) => io.op !== FLUSH && io.startSector === startSector),
      );
    };
    for (let n = 0; n < JOURNAL_ENTRIES_MAX; n++) {
      const io = new TestIo(2 * n, WRITE);
      io.memory = undefined;
      supervisor.io(io);
      answer(2 * n);
    }
    const write = new TestIo(FAR, WRITE, LONG);
    supervisor.io(write);
    // In company, so that more than one request is allowed afterwards: our own flush stays.
    const reads = Array.from({ length: 7 }, (_, n) => new TestIo(n));
    for (const read of reads) supervisor.io(read);
    answer(FAR, OUT_OF_MEMORY);
    for (const read of reads) answer(read.startSector);
    answer(FAR);
    answer(FAR + LONG / 2);
    t.same(write.results, []);
    t.equal(journal.entries.length, JOURNAL_ENTRIES_MAX);
    t.equal(last().inFlight[0]?.op, FLUSH);
    last().answer();
    t.same(write.results, [0]);
    t.match(journal.entries.at(-1), { startSector: FAR, nrSectors: LONG });
    await supervisor.close();
  },
);
