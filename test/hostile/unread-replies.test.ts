// A flood of requests whose replies are never read: the server stops reading, holds no more than
// its limits say, and others are served meanwhile.
import t from 'tap';
import { besiege, BLOCK_STATUS, FLUSH, READ, type Siege, TRIM, WRITE } from '../lib/siege.js';

const MIB = 1 << 20;
/** Requests of each client; far more than are ever taken at once. */
const COUNT = 4_000;

/** Clients that send and never read, and what the server holds more meanwhile, at most. */
async function flood(
  siege: Siege,
  { clientCount, ...request }: { clientCount: number; type: number; length: number },
): Promise<number> {
  const clients = await siege.many(clientCount, () => siege.chunks('structured'));
  const many = Array.from({ length: COUNT }, (_, n) => ({ ...request, cookie: BigInt(n) }));
  for (const client of clients) {
    client.client.socket.pause();
    client.send(...many);
  }
  let mostKib = 0;
  for (let n = 0; n < 20; n++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    mostKib = Math.max(mostKib, siege.memoryKib);
  }
  const other = await siege.go();
  const data = siege.content.subarray(0, 4096);
  for (const asked of [{ type: READ, length: 4096 }, { type: WRITE, data }, { type: FLUSH }]) {
    const { error } = await other.ask(asked);
    if (error !== 0) throw new Error(`another client was answered ${error}`);
  }
  other.destroy();
  for (const client of clients) client.destroy();
  return mostKib - siege.peace.memoryKib;
}

t.test('replies that are never read', async (t) => {
  const siege = await besiege(t);
  const kinds = {
    // One client gets half of the memory at most.
    'long reads': { clientCount: 1, type: READ, length: MIB },
    'short reads': { clientCount: 10, type: READ, length: 512 },
    errors: { clientCount: 20, type: TRIM, length: 4096 },
    'reads beyond the end': { clientCount: 20, type: READ, length: 20 * MIB },
    'block status': { clientCount: 20, type: BLOCK_STATUS, length: 8 * MIB },
  };
  for (const [what, request] of Object.entries(kinds)) {
    const heldKib = await flood(siege, request);
    t.ok(heldKib < 100 * 1024, `${what}: ${heldKib} KiB more`);
    await siege.unharmed(t, what);
  }
});
