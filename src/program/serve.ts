// The composition root of `vddk-nbd serve`: opens the disk, listens, says so, waits for the end,
// stops cleanly. The only place that knows disk and server at once.
// The rule: whatever is made here is removed in every way out, and in the reverse order.
import path from 'node:path';
import { systemClock } from '../base/clock.js';
import { VddkNbdError } from '../base/errors.js';
import { MEMORY_BYTES_MAX, MEMORY_BYTES_MIN } from '../base/limits.js';
import { formatBytes } from '../base/units.js';
import type { Disk } from '../disk/disk.js';
import { singleExport } from '../server/exports.js';
import { NbdServer } from '../server/listener.js';
import { startJanitor } from './janitor.js';
import { Leavings, writePidfile } from './leavings.js';
import { type ListenFlags, type ListenPlan, planListen } from './listen-plan.js';
import { openDisk, type OpenDiskOptions } from './open-disk.js';
import { exitCodeOf, StopSignals } from './signals.js';
import { type Endpoint, nbdUri, oldUri } from './uri.js';

/** Everything that the command line said. */
export interface ServeOptions extends Omit<OpenDiskOptions, 'temporaryDir'>, ListenFlags {
  /** The name in the URI; the server takes any. */
  exportName: string;
  pidfile: string | undefined;
}

function checkMemory(memoryBytes: number): void {
  if (memoryBytes >= MEMORY_BYTES_MIN && memoryBytes <= MEMORY_BYTES_MAX) return;
  const range = `${formatBytes(MEMORY_BYTES_MIN)} to ${formatBytes(MEMORY_BYTES_MAX)}`;
  throw new VddkNbdError('USAGE', `--memory of ${formatBytes(memoryBytes)} is out of range`, {
    hint: `Give it ${range}.`,
  });
}

async function listen(
  disk: Disk,
  plan: ListenPlan,
  options: ServeOptions,
  leavings: Leavings,
): Promise<NbdServer> {
  const address =
    plan.kind === 'private'
      ? { kind: 'unix' as const, path: path.join(leavings.directory(), 'socket') }
      : plan;
  const server = await NbdServer.listen({
    exports: singleExport(disk, options.file),
    address,
    clock: systemClock,
    log: options.log,
  });
  leavings.add(
    () => {
      void server.close(0);
    },
    address.kind === 'unix' ? address.path : undefined,
  );
  return server;
}

/** Where clients find it, from any working directory. */
function endpointOf({ address }: NbdServer): Endpoint {
  return address.kind === 'unix'
    ? { unix: path.resolve(address.path) }
    : { host: address.host, port: address.port };
}

/** What the command of --run finds in its environment, by nbdkit's names. */
function runVariables(endpoint: Endpoint, exportName: string): Record<string, string> {
  const unix = 'unix' in endpoint;
  return {
    uri: nbdUri(endpoint, exportName),
    nbd: oldUri(endpoint, exportName),
    unixsocket: unix ? endpoint.unix : '',
    port: unix ? '' : String(endpoint.port),
    exportname: exportName,
  };
}

/** Resolves with the exit code when a signal came, or the command of --run ended. */
async function untilTheEnd(
  options: ServeOptions,
  endpoint: Endpoint,
  signals: StopSignals,
): Promise<number> {
  if (options.run === undefined) {
    await signals.first;
    return 0;
  }
  const { startCommand } = await import('./run-command.js');
  const command = startCommand(options.run, runVariables(endpoint, options.exportName));
  void signals.first.then(() => {
    command.terminate();
  });
  return command.exitCode;
}

/**
 * Stops accepting, finishes what is in flight, flushes, closes. Returns what went wrong.
 * Clients get half the time, so that one that takes no replies can't cost the others the flush.
 */
async function stop(server: NbdServer, disk: Disk, timeoutMs: number): Promise<string[]> {
  const inTime = (async () => {
    await server.close(timeoutMs / 2);
    return disk.close();
  })();
  const late = new Promise<string[]>((resolve) => {
    systemClock.after(timeoutMs, () => {
      resolve([`the disk could not be closed within ${timeoutMs} ms; writes may be lost`]);
    });
  });
  return Promise.race([inTime, late]);
}

async function serveOpenDisk(
  { disk, engine }: Awaited<ReturnType<typeof openDisk>>,
  plan: ListenPlan,
  options: ServeOptions,
  leavings: Leavings,
  signals: StopSignals,
): Promise<number> {
  const { log } = options;
  const server = await listen(disk, plan, options, leavings);
  const endpoint = endpointOf(server);
  if (options.pidfile !== undefined) writePidfile(options.pidfile, leavings);
  const access = options.readOnly ? 'read-only' : 'writable';
  const what = `${options.file} (${formatBytes(disk.sizeBytes)}, ${access})`;
  log.info(`${nbdUri(endpoint, options.exportName)} serves ${what} with ${engine}`);
  const exitCode = await untilTheEnd(options, endpoint, signals);
  const reasons = await stop(server, disk, options.shutdownTimeoutMs);
  for (const reason of reasons) log.error(reason);
  return reasons.length > 0 && exitCode === 0 ? 1 : exitCode;
}

/**
 * Serves a disk until a signal comes or the command of --run ends.
 * @returns the exit code: 0, 1 if data may not be durable, or that of the command.
 * @throws VddkNbdError if it can't be started; nothing is left behind then.
 */
export async function serve(options: ServeOptions): Promise<number> {
  const { log } = options;
  const plan = planListen(options);
  checkMemory(options.memoryBytes);
  if (options.pidfile === '') {
    throw new VddkNbdError('USAGE', '--pidfile is empty', { hint: 'Give it a value.' });
  }
  if (plan.kind === 'tcp' && plan.open) {
    log.warning(`anyone who can reach ${plan.host} has this disk; nothing is encrypted`);
  }
  const leavings = new Leavings(startJanitor(log));
  process.once('exit', () => {
    leavings.removeAll();
  });
  const signals = new StopSignals(log);
  try {
    const opened = await Promise.race([
      openDisk({ ...options, temporaryDir: leavings.directory() }),
      signals.first,
    ]);
    // The helper dies with us; it has nothing of a client in it yet.
    if (typeof opened === 'string') return exitCodeOf(opened);
    try {
      return await serveOpenDisk(opened, plan, options, leavings, signals);
    } catch (thrown) {
      await opened.disk.close();
      throw thrown;
    }
  } finally {
    leavings.removeAll();
    signals.dispose();
  }
}
