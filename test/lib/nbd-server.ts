// A server on a disk in memory, for tests: on a unix socket in a directory of the test, stopped
// when the test ends. `modes` are the two ways of receiving, and tests run in both.
import path from 'node:path';
import { silentLog } from '../../src/base/log.js';
import { systemClock, type Clock } from '../../src/base/clock.js';
import { MemoryDisk, type MemoryDiskOptions } from '../../src/disk/memory-disk.js';
import { type Exports, singleExport } from '../../src/server/exports.js';
import { NbdServer } from '../../src/server/listener.js';
import type { BoundAddress, ListenAddress } from '../../src/server/listening-socket.js';
import { shortDir } from './serve.js';

export const modes = [
  { mode: 'in place', zeroCopy: true },
  { mode: 'by copying', zeroCopy: false },
];

export interface ServerOptions extends Partial<MemoryDiskOptions> {
  zeroCopy?: boolean;
  clock?: Clock;
  address?: ListenAddress;
  /** What is served instead of the disk that is returned. */
  exports?: Exports;
  connectionsMax?: number;
}

interface Test {
  teardown(handler: () => unknown): unknown;
}

/** Bytes that differ everywhere. */
export function patterned(lengthBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  let state = seed;
  for (let i = 0; i + 4 <= lengthBytes; i += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes.writeUInt32LE(state, i);
  }
  return bytes;
}

/** Serves `options.data`, or a MiB of pattern. */
export async function serveMemory(
  t: Test,
  options: ServerOptions = {},
): Promise<{ server: NbdServer; disk: MemoryDisk; address: BoundAddress; uri: string }> {
  const { zeroCopy = true, clock = systemClock } = options;
  const disk = new MemoryDisk({ ...options, data: options.data ?? patterned(1 << 20) });
  const wanted = options.address ?? { kind: 'unix', path: path.join(shortDir(t), 's') };
  const server = await NbdServer.listen({
    exports: options.exports ?? singleExport(disk, 'a test disk'),
    addresses: [wanted],
    clock,
    log: silentLog,
    zeroCopy,
    ...(options.connectionsMax !== undefined && { connectionsMax: options.connectionsMax }),
  });
  t.teardown(() => server.close(0));
  const [address] = server.addresses;
  if (address === undefined) throw new Error('it listens nowhere');
  const uri =
    address.kind === 'unix'
      ? `nbd+unix:///?socket=${address.path}`
      : `nbd://${address.host}:${address.port}`;
  return { server, disk, address, uri };
}

/** Waits until `holds`, at most for two seconds: then it throws. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`never came: ${what}`);
}
