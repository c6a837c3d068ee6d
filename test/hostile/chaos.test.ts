// Well-behaved clients, each with a model of its part of the disk, among hostile ones, while the
// library dies again and again: they never notice. HOSTILE_SEED repeats a run.
import t from 'tap';
import { infoBytes, NbdClient, optionBytes, requestBytes } from '../lib/nbd-client.js';
import { MIB, rehearse } from '../lib/rehearse.js';
import { FLUSH, READ, TRIM, WRITE, ZEROES } from '../lib/siege.js';
import { Random } from '../sim/random.js';

const SEED = Number(process.env['HOSTILE_SEED'] ?? 1);
const GOOD = 4;
const HOSTILE = 3;
const OPERATIONS = 80;
const PART = (8 * MIB) / GOOD;

type Connect = () => Promise<NbdClient>;
type Misdeed = (client: NbdClient, random: Random) => void;

const write = requestBytes({ type: WRITE, offset: 0, data: Buffer.alloc(300_000, 0xee) });

/** After a greeting. */
const beforeGo: Misdeed[] = [
  () => undefined,
  (client) => {
    client.write(Buffer.alloc(100));
  },
  (client) => {
    client.write(optionBytes(6, Buffer.alloc(60_000)));
  },
  (client) => {
    client.write(optionBytes(7, infoBytes('')).subarray(0, 18));
  },
];

/** After GO. No write of theirs is ever whole. */
const afterGo: Misdeed[] = [
  (client, random) => {
    client.write(write.subarray(0, random.below(write.length - 1)));
  },
  (client, random) => {
    const offset = random.below(7 * MIB);
    for (let n = 0; n < 100; n++) client.send({ type: READ, offset, length: 60_000 });
  },
  (client) => {
    client.send({ type: WRITE, magic: 0x1234, data: Buffer.alloc(1000) });
  },
  (client) => {
    for (let n = 0; n < 1000; n++) client.send({ type: TRIM, length: 1 });
  },
  (client) => {
    client.send({ type: ZEROES, offset: 8 * MIB - 10, length: 11 }, { type: 99, length: 5 });
  },
];

/** Misbehaves until `over`. */
async function misbehave(connect: Connect, random: Random, over: () => boolean): Promise<void> {
  while (!over()) {
    const client = await connect();
    client.socket.pause();
    await new Promise((resolve) => setTimeout(resolve, random.below(5)));
    if (random.below(3) === 0) {
      client.write(Buffer.from([0, 0, 0, 3]));
      beforeGo[random.below(beforeGo.length)]?.(client, random);
    } else {
      const go = Buffer.concat([Buffer.from([0, 0, 0, 3]), optionBytes(7, infoBytes(''))]);
      client.write(go);
      afterGo[random.below(afterGo.length)]?.(client, random);
    }
    await new Promise((resolve) => setTimeout(resolve, random.below(30)));
    const ways = ['destroy', 'end', 'resetAndDestroy'] as const;
    client.socket[ways[random.below(3)] ?? 'end']();
    await new Promise((resolve) => setTimeout(resolve, 1));
    client.destroy();
  }
}

/** Does what clients do in one part of the disk; what went wrong, or nothing. */
async function behave(
  connect: Connect,
  random: Random,
  model: Buffer,
  at: number,
): Promise<string> {
  const client = await connect();
  await client.greet();
  await client.option(7, infoBytes(''));
  for (let n = 0; n < OPERATIONS; n++) {
    const start = random.below(PART - 70_000);
    const length = 1 + random.below(random.below(4) === 0 ? 70_000 : 5_000);
    const offset = at + start;
    const kind = random.below(8);
    if (kind < 3) {
      const reply = await client.ask({ type: READ, offset, length });
      if (reply.error !== 0) return `a read failed with ${reply.error}`;
      if (!reply.data.equals(model.subarray(start, start + length))) return `wrong at ${offset}`;
    } else if (kind < 6) {
      const data = Buffer.alloc(length, random.below(256));
      data.copy(model, start);
      const { error } = await client.ask({ type: WRITE, offset, data });
      if (error !== 0) return `a write failed with ${error}`;
    } else if (kind === 6) {
      model.fill(0, start, start + length);
      const { error } = await client.ask({ type: ZEROES, offset, length });
      if (error !== 0) return `zeroes failed with ${error}`;
    } else {
      const { error } = await client.ask({ type: FLUSH });
      if (error !== 0) return `a flush failed with ${error}`;
    }
  }
  const last = await client.ask({ type: FLUSH });
  client.destroy();
  return last.error === 0 ? '' : 'the last flush failed';
}

t.test(`good and bad clients, seed ${SEED}`, async (t) => {
  const fault = `crash=segv p=0.005 seed=${SEED}; delay=100us; volatile`;
  const { content, deaths, image, server } = await rehearse(t, fault, { listen: ['-p', '0'] });
  const port = Number(new URL(server.uri!).port);
  const connect: Connect = () => NbdClient.connect({ kind: 'tcp', host: '127.0.0.1', port });
  let isOver = false;
  const bad = Array.from({ length: HOSTILE }, (_, n) =>
    misbehave(connect, new Random(SEED * 100 + n), () => isOver),
  );
  const parts = Array.from({ length: GOOD }, (_, n) => content.subarray(n * PART, (n + 1) * PART));
  const faults = await Promise.all(
    parts.map((part, n) => behave(connect, new Random(SEED * 200 + n), part, n * PART)),
  );
  isOver = true;
  await Promise.all(bad);
  t.same(faults, Array(GOOD).fill(''), 'nobody has noticed anything');
  t.ok(deaths() > 0, `${deaths()} deaths of the library`);
  t.match(await server.stop(), { exitCode: 0 });
  t.ok(image().equals(content), 'the disk is what all of them wrote together');
});
