// Proof: how long a death takes. From the SIGKILL of the helper to the reply of a read that was
// asked for right after it: median and p99, with and without a spare, with a library whose open
// takes 0 and 500 ms. In full it fails if that is more than the open and 30 ms (100 ms at p99).
import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { eventually, type Server, shortDir, startServer } from '../lib/serve.js';
import { infoBytes, NbdClient } from '../lib/nbd-client.js';
import { FAULT_LIBDIR, FULL, MIB, percentile, sleep, UNCACHED } from './rehearsal.js';

const GO = 7;
const DEATHS = FULL ? 60 : 4;
/** Time for the spare to get ready, and for the library to be idle. */
const CALM_MS = 700;

/** From the kill to the reply. */
async function measure(server: Server, client: NbdClient): Promise<number> {
  await sleep(CALM_MS);
  // The one that serves is older than the spare.
  const serving = Math.min(...server.helpers);
  const startMs = performance.now();
  process.kill(serving, 'SIGKILL');
  const reply = await client.ask({ type: 0, offset: 0, length: 4096 });
  if (reply.error !== 0) throw new Error(`the read failed: ${reply.error}`);
  return performance.now() - startMs;
}

for (const openMs of [0, 500]) {
  for (const spare of [true, false]) {
    const name = `open of ${openMs} ms, ${spare ? 'with' : 'without'} a spare`;
    t.test(name, { timeout: 0 }, async (t) => {
      const dir = shortDir(t);
      const image = path.join(dir, 'disk.img');
      writeFileSync(image, '');
      truncateSync(image, 64 * MIB);
      const server = await startServer(
        t,
        [FAULT_LIBDIR, `file=${image}`, '-p', '0', spare ? '--spare' : '--no-spare', ...UNCACHED],
        { env: { FAULT: `delay=${openMs}ms at=Open` } },
      );
      const client = await NbdClient.connect({
        ...{ kind: 'tcp', host: '127.0.0.1', port: portOf(server) },
      });
      t.teardown(() => {
        client.destroy();
      });
      await client.greet();
      await client.option(GO, infoBytes(''));
      await eventually('the helpers', () => server.helpers.length === (spare ? 2 : 1));
      const times: number[] = [];
      for (let n = 0; n < DEATHS; n++) times.push(await measure(server, client));
      const [median, p99] = [percentile(times, 0.5), percentile(times, 0.99)];
      t.comment(`${DEATHS} deaths: median ${median.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`);
      t.equal(times.length, DEATHS, 'every read was answered');
      if (FULL && spare) {
        t.ok(median <= openMs + 30, `median ${median} ms`);
        t.ok(p99 <= openMs + 100, `p99 ${p99} ms`);
      }
      t.match(await server.stop(), { exitCode: 0 });
    });
  }
}

function portOf(server: Server): number {
  return Number(/:(\d+)/.exec(server.uri!.replace('nbd://', ''))![1]);
}
