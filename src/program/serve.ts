// The composition root of `vddk-nbd serve`: opens the disks, listens, says so, waits for the end,
// stops cleanly. The only place that knows disks and server at once.
// The rule: whatever is made here is removed in every way out, and in the reverse order.
import { systemClock } from '../base/clock.js';
import { VddkNbdError } from '../base/errors.js';
import {
  CONNECTIONS_LIMIT,
  DISK_DESCRIPTORS_RESERVED,
  MEMORY_BYTES_MAX,
  MEMORY_BYTES_MIN,
  REQUEST_TIMEOUT_MS_MIN,
} from '../base/limits.js';
import type { Log } from '../base/log.js';
import { formatBytes } from '../base/units.js';
import type { NbdServer } from '../server/listener.js';
import type { TlsServer, TlsSettings } from '../server/tls-server.js';
import { DiskSet } from './disk-set.js';
import { startJanitor } from './janitor.js';
import { Leavings, writePidfile } from './leavings.js';
import { endpointOf, listenAsPlanned } from './listen.js';
import { LibraryStats } from './library-stats.js';
import { type ListenFlags, type ListenPlan, planListen } from './listen-plan.js';
import { descriptorLimit } from './own-process.js';
import { openDisk, type OpenDiskOptions } from './open-disk.js';
import { type DiskFlags, nameInUri, planDisks } from './plan-disks.js';
import { describeDisk, type DiskSpec } from './served-disk.js';
import { matchesWildcard } from '../vddk/wildcard.js';
import { exitWithParent, ServiceManager } from './service.js';
import { exitCodeOf, StopSignals } from './signals.js';
import { openTls, planTls, reloadTls, type TlsFlags, tlsVariables, uriTls } from './tls.js';
import { type Endpoint, nbdUri } from './uri.js';

/** Everything that the command line said. */
export interface ServeOptions
  extends
    Omit<OpenDiskOptions, 'file' | 'stats' | 'temporaryDir'>,
    DiskFlags,
    Omit<ListenFlags, 'tlsRequired'>,
    TlsFlags {
  /** Open the disks of --export at the start too. */
  eager: boolean;
  /** The process id of our parent, if we shall not outlive it. */
  parentPid: number | undefined;
  pidfile: string | undefined;
  /** Is given the URI when a client can connect. */
  printUri: ((uri: string) => void) | undefined;
  connectionsMax: number;
  handshakeTimeoutMs: number;
}

/** Disks that --eager opens at the same time: a vCenter gets no flood of logins. */
const OPENS_AT_ONCE = 8;
/** Export names in the ready line before it says how many more there are. */
const NAMES_SHOWN_MAX = 8;

/** Checks of flags that need nothing but the flags. */
function check(options: ServeOptions): void {
  const { connectionsMax, memoryBytes, pidfile, requestTimeoutMs } = options;
  if (memoryBytes < MEMORY_BYTES_MIN || memoryBytes > MEMORY_BYTES_MAX) {
    const range = `${formatBytes(MEMORY_BYTES_MIN)} to ${formatBytes(MEMORY_BYTES_MAX)}`;
    throw new VddkNbdError('USAGE', `--memory of ${formatBytes(memoryBytes)} is out of range`, {
      hint: `Give it ${range}.`,
    });
  }
  if (requestTimeoutMs < REQUEST_TIMEOUT_MS_MIN) {
    throw new VddkNbdError('USAGE', `--request-timeout of ${requestTimeoutMs} ms is too short`, {
      hint: `Give it ${REQUEST_TIMEOUT_MS_MIN}ms or more.`,
    });
  }
  if (connectionsMax < 1 || connectionsMax > CONNECTIONS_LIMIT) {
    throw new VddkNbdError('USAGE', `--max-connections of ${connectionsMax} is out of range`, {
      hint: `Give it 1 to ${CONNECTIONS_LIMIT}.`,
    });
  }
  if (pidfile === '') {
    throw new VddkNbdError('USAGE', '--pidfile is empty', { hint: 'Give it a value.' });
  }
}

/** What the command of --run finds in its environment, by nbdkit's names. */
function runVariables(
  endpoint: Endpoint,
  exportName: string,
  tls: TlsSettings | undefined,
): Record<string, string> {
  const unix = 'unix' in endpoint;
  const uri = nbdUri(endpoint, exportName, uriTls(tls));
  return {
    uri,
    nbd: uri,
    unixsocket: unix ? endpoint.unix : '',
    port: unix ? '' : String(endpoint.port),
    exportname: exportName,
    ...tlsVariables(tls),
  };
}

/** What was decided before anything was started, and who is told of what becomes of it. */
interface Running {
  plan: ListenPlan;
  exportName: string;
  tls: { settings: TlsSettings; server: TlsServer } | undefined;
  manager: ServiceManager;
  leavings: Leavings;
  signals: StopSignals;
}

/** The client of -s: resolves when it has gone. */
async function serveStdio(server: NbdServer): Promise<void> {
  const { openStdio } = await import('./stdio.js');
  const stream = openStdio();
  return new Promise((resolve) => {
    server.serve(stream, resolve);
  });
}

/** Resolves with the exit code when a signal came, or whoever we serve alone has ended. */
async function untilTheEnd(
  server: NbdServer,
  run: string | undefined,
  { exportName, plan, signals, tls }: Running,
): Promise<number> {
  const [address] = server.addresses;
  if (plan.kind === 'stdio') {
    await Promise.race([serveStdio(server), signals.first]);
    return 0;
  }
  if (run === undefined || address === undefined) {
    await signals.first;
    return 0;
  }
  const { startCommand } = await import('./run-command.js');
  const variables = runVariables(endpointOf(address), exportName, tls?.settings);
  const command = startCommand(run, variables);
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
  if (disks.length === 0) return `what clients name (${readOnly ? 'read-only' : 'writable'})`;
  const names = disks.slice(0, NAMES_SHOWN_MAX).map(({ name, file }) => name || file);
  const more = disks.length - names.length;
  const list = `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  const count = disks.length === 1 ? '1 disk' : `${disks.length} disks`;
  return `${count} (${readOnly ? 'read-only' : 'writable'}): ${list}`;
}

/** Says where a client can connect: in the log, to the service manager, on stdout if asked. */
function announce(
  server: NbdServer,
  disks: DiskSet,
  { log, printUri, readOnly }: ServeOptions,
  { exportName, manager, tls }: Running,
): void {
  const uris = server.addresses.map((address) =>
    nbdUri(endpointOf(address), exportName, uriTls(tls?.settings)),
  );
  const [first = 'nbd on stdin and stdout', ...others] = uris;
  const also = others.length === 0 ? '' : `, also at ${others.join(', ')}`;
  const what = `${describe(disks, readOnly)}${also}`;
  log.info(`${first} serves ${what}`);
  manager.ready(`serves ${what}`);
  printUri?.(first);
}

async function serveDisks(
  disks: DiskSet,
  options: ServeOptions,
  running: Running,
): Promise<number> {
  const { connectionsMax, handshakeTimeoutMs, insecure, log } = options;
  const { leavings, manager, plan, tls } = running;
  const limit = descriptorLimit();
  const descriptorsMax = (): number =>
    limit - Math.min(limit / 2, disks.disks.length * DISK_DESCRIPTORS_RESERVED);
  const limits = { connectionsMax, descriptorsMax, handshakeTimeoutMs };
  const reach = { insecure, tlsRequired: tls?.settings.mode === 'require', log };
  const common = { exports: disks, clock: systemClock, log, tls: tls?.server, ...limits };
  const server = await listenAsPlanned(plan, reach, common, leavings);
  if (options.pidfile !== undefined) writePidfile(options.pidfile, leavings);
  announce(server, disks, options, running);
  const exitCode = await untilTheEnd(server, options.run, running);
  manager.stopping();
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

/** What SIGHUP does where there are credentials to read again. */
function reloader(server: TlsServer, manager: ServiceManager, log: Log): () => void {
  return () => {
    manager.reloading();
    reloadTls(server, log);
    manager.ready('credentials reloaded');
  };
}

function makeDisks(
  specs: readonly DiskSpec[],
  options: ServeOptions,
  stats: LibraryStats | undefined,
  temporaryDir: string,
): DiskSet {
  const { exportPattern } = options;
  return new DiskSet({
    specs,
    anyName: options.exports.length === 0 && exportPattern === undefined,
    allows:
      exportPattern === undefined ? undefined : (name) => matchesWildcard(exportPattern, name),
    open: (file) => {
      const create = file === options.file ? options.create : undefined;
      return openDisk({ ...options, create, file, stats, temporaryDir });
    },
    clock: systemClock,
    log: options.log,
  });
}

/**
 * Serves disks until a signal comes, the command of --run ends, or the client of -s goes.
 * @returns the exit code: 0, 1 if data may not be durable, or that of the command.
 * @throws VddkNbdError if it can't be started; nothing is left behind then.
 */
export async function serve(options: ServeOptions): Promise<number> {
  const { log, parentPid } = options;
  const settings = planTls(options);
  const plan = planListen({ ...options, tlsRequired: settings?.mode === 'require' });
  check(options);
  const specs = planDisks(options);
  const exportName = nameInUri(options, specs);
  const tls = settings && { settings, server: await openTls(settings, log) };
  const stats = options.debugFlags.stats ? new LibraryStats() : undefined;
  const manager = new ServiceManager(process.env, log);
  const leavings = new Leavings(startJanitor(log));
  process.once('exit', () => {
    leavings.removeAll();
  });
  const signals = new StopSignals(log, tls && reloader(tls.server, manager, log));
  if (parentPid !== undefined) exitWithParent(parentPid);
  try {
    const disks = makeDisks(specs, options, stats, leavings.directory());
    try {
      const stopped = await Promise.race([openAtStart(disks, options), signals.first]);
      // Helpers die with us; they have nothing of a client in them yet.
      if (stopped !== undefined) return exitCodeOf(stopped);
      const running = { plan, exportName, tls, manager, leavings, signals };
      return await serveDisks(disks, options, running);
    } catch (thrown) {
      await disks.close();
      throw thrown;
    }
  } finally {
    for (const line of stats?.lines() ?? []) log.debug(line);
    leavings.removeAll();
    signals.dispose();
  }
}
