// Exports that have to be made ready when a client asks for them: it waits as long as it takes, and
// others are served meanwhile.
import t from 'tap';
import { HANDSHAKE_TIMEOUT_MS } from '../../src/base/limits.js';
import { MemoryDisk } from '../../src/disk/memory-disk.js';
import type { Found } from '../../src/nbd/export.js';
import { serveDisk, type ServedExport } from '../../src/server/exports.js';
import { infoBytes, NbdClient, optionBytes, requestBytes } from '../lib/nbd-client.js';
import { modes, serveMemory, until } from '../lib/nbd-server.js';
import { ManualClock } from '../lib/sim-helper.js';

const [READ, GO] = [0, 7] as const;
const [ACK, UNKNOWN] = [1, 0x80000006] as const;

for (const { mode, zeroCopy } of modes) {
  t.test(`receiving ${mode}`, async (t) => {
    const clock = new ManualClock();
    const ready = new Map<string, (found: Found<ServedExport>) => void>();
    const slow = serveDisk(new MemoryDisk({ data: Buffer.alloc(8192, 7) }), 'slow', '');
    const quick = serveDisk(new MemoryDisk({ data: Buffer.alloc(8192, 8) }), '', '');
    const exports = {
      list: () => [quick, slow],
      lookup: (name: string) =>
        name === ''
          ? quick
          : new Promise<Found<ServedExport>>((resolve) => void ready.set(name, resolve)),
    };
    const { address, server } = await serveMemory(t, { clock, exports, zeroCopy });
    const patient = await NbdClient.connect(address);
    await patient.greet();
    // All at once: what follows GO stays where it is until there is something to read from.
    const request = requestBytes({ type: READ, cookie: 5n, length: 4096 });
    patient.write(Buffer.concat([optionBytes(GO, infoBytes('slow')), request]));
    await until(() => ready.has('slow'), 'the lookup');
    const other = await NbdClient.go(address);
    t.match(await other.ask({ type: READ, length: 1 }), { error: 0, data: Buffer.from([8]) });
    await clock.pass(3 * HANDSHAKE_TIMEOUT_MS);
    ready.get('slow')?.(slow);
    t.equal((await patient.optionReplies()).at(-1)?.type, ACK);
    t.match(await patient.reply(4096), { error: 0, cookie: 5n, data: Buffer.alloc(4096, 7) });

    const refused = await NbdClient.connect(address);
    await refused.greet();
    const answer = refused.option(GO, infoBytes('broken'));
    await until(() => ready.has('broken'), 'the lookup');
    ready.get('broken')?.('its library says no');
    t.match(await answer, [{ type: UNKNOWN, data: Buffer.from('its library says no') }]);
    t.equal((await refused.option(GO, infoBytes(''))).at(-1)?.type, ACK, 'it may ask again');

    const gone = await NbdClient.connect(address);
    await gone.greet();
    gone.write(optionBytes(GO, infoBytes('late')));
    await until(() => ready.has('late'), 'the lookup');
    gone.destroy();
    ready.get('late')?.(slow);
    for (const client of [patient, other, refused]) client.destroy();
    await until(() => server.connectionCount === 0, 'the end of all');
  });
}
