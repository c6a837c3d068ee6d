// The listening socket and all its connections: accepts, limits their number, looks for stalled
// ones, and stops. Talks to the program, which tells it where to listen and when to stop.
// The rule: close() leaves nothing behind, neither a socket file nor a connection.
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Clock, Timer } from '../base/clock.js';
import { messageOf, VddkNbdError } from '../base/errors.js';
import { CONNECTIONS_MAX, STALL_TIMEOUT_MS } from '../base/limits.js';
import type { Log } from '../base/log.js';
import { Connection } from './connection.js';
import type { Exports } from './exports.js';
import { Spinner } from './spin.js';
import {
  closeSocket,
  listenPrivately,
  removeStaleSocket,
  socketAt,
  type SocketIdentity,
} from './unix-socket.js';

/** Where to listen. Port 0 lets the system pick one. */
export type ListenAddress =
  { kind: 'tcp'; host: string; port: number } | { kind: 'unix'; path: string };

export interface NbdServerOptions {
  exports: Exports;
  address: ListenAddress;
  clock: Clock;
  log: Log;
  /** False: receive payload by copying even where it could land in place. Default true. */
  zeroCopy?: boolean;
}

/** How often connections are looked at, so that a stall is seen soon after its time is up. */
const STALL_CHECK_MS = STALL_TIMEOUT_MS / 12;

function hintFor(code: string, address: ListenAddress): string {
  const tcp = address.kind === 'tcp';
  switch (code) {
    case 'EADDRINUSE':
      return tcp
        ? 'Another program listens there; choose another port with -p (0 picks a free one).'
        : 'Another server listens there, or it is no socket; choose another path with -U.';
    case 'EACCES':
      return tcp
        ? 'Ports below 1024 need privileges; choose another port with -p.'
        : 'The directory must exist and be writable; choose another path with -U.';
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return 'The address must be one of this machine; see -i.';
    default:
      return `Choose another ${tcp ? 'address with -i and -p' : 'path with -U'}.`;
  }
}

function startError(cause: unknown, address: ListenAddress): VddkNbdError {
  if (cause instanceof VddkNbdError) return cause;
  const where = address.kind === 'tcp' ? `${address.host} port ${address.port}` : address.path;
  const { code = '' } = cause as NodeJS.ErrnoException;
  return new VddkNbdError('START', `can't listen on ${where}: ${messageOf(cause)}`, {
    hint: hintFor(code, address),
    cause,
  });
}

/** Binds and resolves once clients can connect. */
function bind(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    if (address.kind === 'tcp') server.listen(address.port, address.host);
    else listenPrivately(server, address.path);
  });
}

/** An NBD server that listens on one address. */
export class NbdServer {
  readonly #options: NbdServerOptions;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #socketFile: SocketIdentity | undefined;
  readonly #spinner: Spinner;
  #stallTimer: Timer | undefined;
  #connectionCount = 0;
  #closing: Promise<void> | undefined;
  #onConnectionClosed: () => void = () => undefined;

  private constructor(server: Server, options: NbdServerOptions) {
    this.#server = server;
    this.#options = options;
    this.#spinner = new Spinner(options.clock);
    const { address } = options;
    this.#socketFile = address.kind === 'unix' ? socketAt(address.path) : undefined;
    server.on('connection', (socket) => {
      this.#accept(socket);
    });
    server.on('error', (error) => {
      options.log.warning(`accepting a client: ${error.message}`);
    });
    this.#checkStallsLater();
  }

  /**
   * Listens at `options.address`. A socket file that nobody listens on is replaced.
   * @throws VddkNbdError START with a hint, if that can't be had.
   */
  static async listen(options: NbdServerOptions): Promise<NbdServer> {
    const { address } = options;
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    try {
      if (address.kind === 'unix') await removeStaleSocket(address.path);
      await bind(server, address);
    } catch (cause) {
      throw startError(cause, address);
    }
    return new NbdServer(server, options);
  }

  /** Where it listens, with the port that was picked. */
  get address(): ListenAddress {
    const { address } = this.#options;
    if (address.kind === 'unix') return address;
    const port = (this.#server.address() as AddressInfo | null)?.port ?? address.port;
    return { ...address, port };
  }

  /** Clients that are connected now. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /**
   * Stops accepting and removes the socket file at once; then gives requests under way `drainMs`
   * to be answered, closes what is left, and resolves. Requests may still be under way in the disk.
   */
  close(drainMs: number): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async #close(drainMs: number): Promise<void> {
    const { address, clock } = this.#options;
    this.#stallTimer?.cancel();
    if (address.kind === 'unix') closeSocket(this.#server, address.path, this.#socketFile);
    else this.#server.close();
    for (const connection of this.#connections) connection.shutDown();
    let expired = drainMs <= 0;
    const timer = clock.after(drainMs, () => {
      expired = true;
      this.#onConnectionClosed();
    });
    const changed = (): Promise<void> =>
      new Promise((resolve) => {
        this.#onConnectionClosed = resolve;
      });
    while (!expired && [...this.#connections].some(({ transmitting }) => transmitting)) {
      await changed();
    }
    timer.cancel();
    for (const connection of this.#connections) connection.destroy();
    while (this.#connections.size > 0) await changed();
  }

  #accept(socket: Socket): void {
    const { exports, clock, log, zeroCopy = true } = this.#options;
    if (this.#closing !== undefined || this.#connections.size >= CONNECTIONS_MAX) {
      log.warning(`client refused: ${CONNECTIONS_MAX} connections are open`);
      socket.destroy();
      return;
    }
    const name = `client ${++this.#connectionCount}`;
    const from = socket.remoteAddress === undefined ? '' : ` from ${socket.remoteAddress}`;
    log.debug(`${name} connected${from}`);
    const closed = (): void => {
      log.debug(`${name} disconnected`);
      this.#connections.delete(connection);
      this.#onConnectionClosed();
    };
    const spinner = this.#spinner;
    const connection = new Connection(socket, {
      exports,
      clock,
      log,
      name,
      zeroCopy,
      spinner,
      closed,
    });
    this.#connections.add(connection);
  }

  #checkStallsLater(): void {
    this.#stallTimer = this.#options.clock.after(STALL_CHECK_MS, () => {
      for (const connection of this.#connections) connection.checkStall();
      this.#checkStallsLater();
    });
  }
}
