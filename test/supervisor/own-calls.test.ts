// Requests that the supervisor makes for itself: what becomes of a question whose helper dies.
import t from 'tap';
import { BlocksQuery } from '../../src/supervisor/own-calls.js';
import type { SupervisedIo } from '../../src/supervisor/supervised-io.js';
import { settle, SimHelper, type SimOptions } from '../lib/sim-helper.js';

const QUESTION = { startSector: 0, nrSectors: 128, chunkSectors: 128 };

function setUp() {
  const answers: unknown[] = [];
  const query = new BlocksQuery(QUESTION, (blocks) => answers.push(blocks));
  /** What its window was told. */
  const completed: (number | bigint)[] = [];
  query.window = {
    completed: (_io: SupervisedIo, vixError: number | bigint) => completed.push(vixError),
  };
  const send = async (options: SimOptions = {}): Promise<SimHelper> => {
    const helper = new SimHelper({ event: () => undefined }, options);
    query.send(helper);
    await settle();
    return helper;
  };
  return { query, answers, completed, send };
}

t.test('an answer reaches the window first, and who has asked when it is settled', async (t) => {
  const { query, answers, completed, send } = setUp();
  await send({ blocks: [0, 128] });
  t.same(completed, [0]);
  t.same(answers, []);
  query.settled(0);
  t.same(answers, [[0, 128]]);
});

t.test('a refusal is an error like that of any request; nothing is known then', async (t) => {
  const { query, answers, completed, send } = setUp();
  await send({ refuse: { ALLOCATED_BLOCKS: 16007 } });
  t.same(completed, [16007]);
  query.settled(16007);
  t.same(answers, [undefined]);

  const own = setUp();
  await own.send({ refuse: { ALLOCATED_BLOCKS: 0 } });
  t.same(own.completed, [1], 'also if the helper refuses, not the library');
});

t.test('without an answer it is in flight, and the next helper gets it', async (t) => {
  const { query, answers, completed, send } = setUp();
  const first = await send({ ignore: ['ALLOCATED_BLOCKS'] });
  first.die('was killed by SIGSEGV');
  await settle();
  t.same(completed, [], 'its end is no answer');
  await send({ blocks: [64, 64] });
  query.settled(0);
  t.same([completed, answers], [[0], [[64, 64]]]);
});

t.test('what an old helper says late does not count', async (t) => {
  const { query, answers, completed, send } = setUp();
  const old = new SimHelper({ event: () => undefined }, { blocks: [0, 8] });
  // Its answer is on its way when the next one is asked.
  query.send(old);
  await send({ blocks: [8, 8] });
  t.same(completed, [0]);
  query.settled(0);
  t.same(answers, [[8, 8]]);

  const refused = setUp();
  refused.query.send(
    new SimHelper({ event: () => undefined }, { refuse: { ALLOCATED_BLOCKS: 1 } }),
  );
  await refused.send({ ignore: ['ALLOCATED_BLOCKS'] });
  t.same(refused.completed, []);
});

t.test('a conviction answers it, too', async (t) => {
  const { query, answers, send } = setUp();
  await send({ blocks: [0, 8] });
  query.settled(1);
  t.same(answers, [undefined]);
});
