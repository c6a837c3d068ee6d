// The composition root of `vddk-nbd serve`: opens the disks, listens, says so, waits for the end,
// stops cleanly. The only place that knows disks and server at once.
// The rule: whatever is made here is removed in every way out, and in the reverse order.
import path from 'node:path';
import { systemClock } from '../base/clock.js';
import { VddkNbdError } from '../base/errors.js';
import { MEMORY_BYTES_MAX, MEMORY_BYTES_MIN, REQUEST_TIMEOUT_MS_MIN } from '../base/limits.js';
import { formatBytes } from '../base/units.js';
import { NbdServer } from '../server/listener.js';
import { checkDisk } from './check-file.js';
import { DiskSet, parseExports } from './disk-set.js';
import { startJanitor } from './janitor.js';
import { Leavings, writePidfile } from './leavings.js';
import { type ListenFlags, type ListenPlan, planListen } from './listen-plan.js';
import { openDisk, type OpenDiskOptions } from './open-disk.js';
import { describeDisk, type DiskSpec } from './served-disk.js';
import { exitCodeOf, StopSignals } from './signals.js';
import { type Endpoint, nbdUri, oldUri } from './uri.js';

/** Everything that the command line said. */
export interface ServeOptions extends Omit<OpenDiskOptions, 'file' | 'temporaryDir'>, ListenFlags {
  /** The default export, open from the start; undefined if there are only others. */
  file: string | undefined;
  /** The values of --export. */
  exports: readonly string[];
  /** Open the disks of --export at the start too. */
  eager: boolean;
  /** The name in the URI; by default that of the first export. */
  exportName: string | undefined;
  pidfile: string | undefined;
}

/** Disks that --eager opens at the same time: a vCenter gets no flood of logins. */
const OPENS_AT_ONCE = 8;
/** Export names in the ready line before it says how many more there are. */
const NAMES_SHOWN_MAX = 8;

function checkMemory(memoryBytes: number): void {
  if (memoryBytes >= MEMORY_BYTES_MIN && memoryBytes <= MEMORY_BYTES_MAX) return;
  const range = `${formatBytes(MEMORY_BYTES_MIN)} to ${formatBytes(MEMORY_BYTES_MAX)}`;
  throw new VddkNbdError('USAGE', `--memory of ${formatBytes(memoryBytes)} is out of range`, {
    hint: `Give it ${range}.`,
  });
}

/**
 * The disks, by their names: the file= one first.
 * @throws VddkNbdError if a name or a path can't be right; a disk that waits for its first client
 * shall not wait for that to say so.
 */
function planDisks(options: ServeOptions): DiskSpec[] {
  const { file, exports } = options;
  const others = parseExports(exports);
  for (const other of others) checkDisk({ ...options, file: other.file, create: undefined });
  if (file === undefined && others.length === 0) {
    throw new VddkNbdError('USAGE', 'there is no disk to serve', {
      hint: "Name it: file='[datastore] vm/vm.vmdk'.",
    });
  }
  return file === undefined ? others : [{ name: '', file }, ...others];
}

/** @throws VddkNbdError USAGE if no client could ask for `exportName` */
function nameInUri({ exportName, exports }: ServeOptions, specs: readonly DiskSpec[]): string {
  const name = exportName ?? specs[0]?.name ?? '';
  if (exports.length > 0 && name !== '' && !specs.some((spec) => spec.name === name)) {
    throw new VddkNbdError('USAGE', `no --export has the name '${name}'`, {
      hint: 'Let -e name one of them, or leave it out.',
    });
  }
  return name;
}

function checkRequestTimeout(timeoutMs: number): void {
  if (timeoutMs >= REQUEST_TIMEOUT_MS_MIN) return;
  throw new VddkNbdError('USAGE', `--request-timeout of ${timeoutMs} ms is too short`, {
    hint: `Give it ${REQUEST_TIMEOUT_MS_MIN}ms or more.`,
  });
}

async function listen(
  disks: DiskSet,
  plan: ListenPlan,
  options: ServeOptions,
  leavings: Leavings,
): Promise<NbdServer> {
  const address =
    plan.kind === 'private'
      ? { kind: 'unix' as const, path: path.join(leavings.directory(), 'socket') }
      : plan;
  const server = await NbdServer.listen({
    exports: disks,
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
  variables: Record<string, string>,
  signals: StopSignals,
): Promise<number> {
  if (options.run === undefined) {
    await signals.first;
    return 0;
  }
  const { startCommand } = await import('./run-command.js');
  const command = startCommand(options.run, variables);
  void signals.first.then(() => {
    command.terminate();
  });
  return command.exitCode;
}

/**
 * Stops accepting, finishes what is in flight, flushes, closes. Returns what went wrong.
 * Clients get half the time, so that one that takes no replies can't cost the others the flush.
 */
async function stop(server: NbdServer, disks: DiskSet, timeoutMs: number): Promise<string[]> {
  const inTime = (async () => {
    await server.close(timeoutMs / 2);
    return disks.close();
  })();
  const late = new Promise<string[]>((resolve) => {
    systemClock.after(timeoutMs, () => {
      resolve([`the disk could not be closed within ${timeoutMs} ms; writes may be lost`]);
    });
  });
  return Promise.race([inTime, late]);
}

/** What is served, for the ready line. */
function describe({ disks }: DiskSet, readOnly: boolean): string {
  const [first] = disks;
  if (disks.length === 1 && first?.opened !== undefined) {
    return `${first.file} (${describeDisk(first.opened)}) with ${first.opened.engine}`;
  }
  const names = disks.slice(0, NAMES_SHOWN_MAX).map(({ name, file }) => name || file);
  const more = disks.length - names.length;
  const list = `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  return `${disks.length} disks (${readOnly ? 'read-only' : 'writable'}): ${list}`;
}

async function serveDisks(
  disks: DiskSet,
  plan: ListenPlan,
  options: ServeOptions & { exportName: string },
  leavings: Leavings,
  signals: StopSignals,
): Promise<number> {
  const { exportName, log, pidfile } = options;
  const server = await listen(disks, plan, options, leavings);
  const endpoint = endpointOf(server);
  if (pidfile !== undefined) writePidfile(pidfile, leavings);
  log.info(`${nbdUri(endpoint, exportName)} serves ${describe(disks, options.readOnly)}`);
  const exitCode = await untilTheEnd(options, runVariables(endpoint, exportName), signals);
  const reasons = await stop(server, disks, options.shutdownTimeoutMs);
  for (const reason of reasons) log.error(reason);
  return reasons.length > 0 && exitCode === 0 ? 1 : exitCode;
}

/** Opens what is to be open when the first client comes. */
async function openAtStart({ disks }: DiskSet, options: ServeOptions): Promise<void> {
  const wanted = disks.slice(0, options.eager ? disks.length : options.file === undefined ? 0 : 1);
  const openNext = async (): Promise<void> => {
    for (let disk = wanted.shift(); disk; disk = wanted.shift()) await disk.open();
  };
  await Promise.all(Array.from({ length: OPENS_AT_ONCE }, openNext));
}

/** Checks of flags that need nothing but the flags. */
function check(options: ServeOptions): void {
  checkMemory(options.memoryBytes);
  checkRequestTimeout(options.requestTimeoutMs);
  if (options.pidfile === '') {
    throw new VddkNbdError('USAGE', '--pidfile is empty', { hint: 'Give it a value.' });
  }
}

/**
 * Serves disks until a signal comes or the command of --run ends.
 * @returns the exit code: 0, 1 if data may not be durable, or that of the command.
 * @throws VddkNbdError if it can't be started; nothing is left behind then.
 */
export async function serve(options: ServeOptions): Promise<number> {
  const { log } = options;
  const plan = planListen(options);
  check(options);
  const specs = planDisks(options);
  const exportName = nameInUri(options, specs);
  if (plan.kind === 'tcp' && plan.open) {
    log.warning(`anyone who can reach ${plan.host} has what is served; nothing is encrypted`);
  }
  const leavings = new Leavings(startJanitor(log));
  process.once('exit', () => {
    leavings.removeAll();
  });
  const signals = new StopSignals(log);
  try {
    const temporaryDir = leavings.directory();
    const disks = new DiskSet({
      specs,
      anyName: options.exports.length === 0,
      open: (file) => {
        const create = file === options.file ? options.create : undefined;
        return openDisk({ ...options, create, file, temporaryDir });
      },
      clock: systemClock,
      log,
    });
    try {
      const stopped = await Promise.race([openAtStart(disks, options), signals.first]);
      // Helpers die with us; they have nothing of a client in them yet.
      if (stopped !== undefined) return exitCodeOf(stopped);
      return await serveDisks(disks, plan, { ...options, exportName }, leavings, signals);
    } catch (thrown) {
      await disks.close();
      throw thrown;
    }
  } finally {
    leavings.removeAll();
    signals.dispose();
  }
}
