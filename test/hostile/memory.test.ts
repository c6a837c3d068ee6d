// What the worst that clients can do makes the server hold: never more than --memory for the disk,
// and of its own what docs/hostile-clients.md states. The figures are printed.
// HOSTILE_CLIENTS=1000 is the whole of it, and takes minutes.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import {
  CONNECTIONS_MAX,
  HANDSHAKE_REPLY_BYTES_MAX,
  SERVER_REQUESTS_MAX,
} from '../../src/base/limits.js';
import type { ChunkClient } from '../lib/chunk-client.js';
import { requestBytes } from '../lib/nbd-client.js';
import { REPO } from '../lib/serve.js';
import {
  besiege,
  BLOCK_STATUS,
  FLUSH,
  READ,
  type Siege,
  TRIM,
  WRITE,
  ZEROES,
} from '../lib/siege.js';

const MIB = 1 << 20;
const CLIENTS = Number(process.env['HOSTILE_CLIENTS'] ?? 60);
const MEMORY_MIB = 64;
/** What docs/hostile-clients.md states: of the server and its helpers, and for each connection. */
const SERVER_MIB = 192;
const CONNECTION_KIB = 256;
const OWN_KIB = SERVER_MIB * 1024 + CLIENTS * CONNECTION_KIB;
/** What of it may be kept for the next clients, besides what the server had at peace. */
const KEPT_MIB = 128;
const KEPT_CONNECTION_KIB = 96;
const KEPT_KIB = KEPT_MIB * 1024 + CLIENTS * KEPT_CONNECTION_KIB;

t.test('the page states what is tested here', (t) => {
  const page = readFileSync(path.join(REPO, 'docs/hostile-clients.md'), 'utf8');
  t.match(page, `${SERVER_MIB} MiB, and ${CONNECTION_KIB} KiB for each connection`);
  t.match(page, `${KEPT_MIB} MiB and ${KEPT_CONNECTION_KIB} KiB for each`);
  t.match(page, `${SERVER_REQUESTS_MAX.toLocaleString('en')} at most`);
  t.ok(SERVER_REQUESTS_MAX * 1200 < SERVER_MIB * MIB, 'requests are within it');
  t.ok(HANDSHAKE_REPLY_BYTES_MAX < CONNECTION_KIB * 1024, 'unread answers are within it');
  t.ok(CLIENTS <= CONNECTIONS_MAX);
  t.end();
});

/** Memory that a process shares, which is the arenas, in KiB. */
function arenasKib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssShmem:\s+(\d+) kB$/m.exec(status)?.[1]);
}

function repeated(request: Parameters<ChunkClient['send']>[0]): Parameters<ChunkClient['send']> {
  return Array.from({ length: 1100 }, () => request);
}

const half = requestBytes({ type: WRITE, data: Buffer.alloc(2 * MIB) }).subarray(0, MIB);

/** What each client does; none reads a reply. */
const misdeeds: Record<string, (client: ChunkClient, index: number) => void> = {
  nothing: () => undefined,
  'half a payload': (client) => {
    client.client.write(half);
  },
  'long reads': (client) => {
    client.send(...repeated({ type: READ, length: 2 * MIB }));
  },
  'short reads': (client) => {
    client.send(...repeated({ type: READ, length: 1 }));
  },
  errors: (client) => {
    client.send(...repeated({ type: TRIM, length: 512 }));
  },
  flushes: (client) => {
    client.send(...repeated({ type: FLUSH }));
  },
  'zeroes, all in the way of each other': (client) => {
    client.send(...repeated({ type: ZEROES, offset: 4096, length: 65_536 }));
  },
  'odd zeroes': (client) => {
    client.send(...repeated({ type: ZEROES, offset: 5001, length: 1000 }));
  },
  'block status': (client) => {
    client.send(...repeated({ type: BLOCK_STATUS, length: 8 * MIB }));
  },
};

/** The most that the server and its helpers hold of their own for a while. */
async function mostKib(siege: Siege): Promise<number> {
  let most = 0;
  for (let n = 0; n < 20; n++) {
    most = Math.max(most, siege.memoryKib);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return most;
}

t.test(`${CLIENTS} clients at their worst`, async (t) => {
  const siege = await besiege(t, { args: ['--memory', `${MEMORY_MIB}M`], slackKib: KEPT_KIB });
  const { pid } = siege.rehearsal.server;
  for (const [what, misdeed] of Object.entries(misdeeds)) {
    const clients = await siege.many(CLIENTS, () => siege.chunks('structured'));
    for (const [index, client] of clients.entries()) {
      client.client.socket.pause();
      misdeed(client, index);
    }
    const [most, arenas] = [await mostKib(siege), arenasKib(pid)];
    t.comment(`${what}: ${Math.round(most / 1024)} MiB, arenas ${Math.round(arenas / 1024)} MiB`);
    t.ok(most <= OWN_KIB, `${what}: ${most} KiB`);
    t.ok(arenas <= MEMORY_MIB * 1024, `${what}: arenas of ${arenas} KiB`);
    for (const client of clients) client.destroy();
    // What of zeroes came whole is done, and the first of each client is.
    if (what.includes('zeroes')) siege.content.fill(0, 4096, 4096 + 65_536);
    await siege.unharmed(t, what);
  }
});
