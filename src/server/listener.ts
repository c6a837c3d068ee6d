// The server's sockets and all its connections: accepts, limits their number, looks for stalled
// ones, and stops. Talks to the program, which tells it where to listen and when to stop.
// The rule: close() leaves nothing behind, neither a socket file nor a connection.
import type { Socket } from 'node:net';
import { Expectation } from '../base/expectation.js';
import type { Clock, Timer } from '../base/clock.js';
import {
  CONNECTION_REQUESTS_MIN,
  CONNECTIONS_MAX,
  HANDSHAKE_TIMEOUT_MS,
  SERVER_REQUESTS_MAX,
  STALL_TIMEOUT_MS,
} from '../base/limits.js';
import type { Log } from '../base/log.js';
import { descriptorOf } from '../base/sockets.js';
import { type ClientStream, Connection, type TlsUpgrade } from './connection.js';
import type { Exports } from './exports.js';
import { type BoundAddress, type ListenAddress, ListeningSocket } from './listening-socket.js';
import { RecordStore } from './request-record.js';

export interface NbdServerOptions {
  exports: Exports;
  /** Where to listen; none, if connections are only handed to serve(). */
  addresses: readonly ListenAddress[];
  clock: Clock;
  log: Log;
  /** False: receive payload by copying even where it could land in place. Default true. */
  zeroCopy?: boolean;
  /** Clients at the same time; the next one is closed at once. Default CONNECTIONS_MAX. */
  connectionsMax?: number;
  /**
   * A client whose descriptor has this number or a higher one is closed at once: the kernel gives
   * the lowest that is free, so all below are in use. Default: none is too high.
   */
  descriptorsMax?: () => number;
  /** How long a handshake may take. Default HANDSHAKE_TIMEOUT_MS. */
  handshakeTimeoutMs?: number;
  /** Undefined: clients can't use TLS. */
  tls?: TlsUpgrade | undefined;
}

/** How often connections are looked at, so that a stall is seen soon after its time is up. */
const STALL_CHECK_MS = STALL_TIMEOUT_MS / 12;
/** Refused clients make one line in this time: a flood of them makes no flood of lines. */
const REFUSALS_LOGGED_MS = 1_000;

/** An NBD server that listens on any number of addresses. */
export class NbdServer {
  readonly #options: Required<NbdServerOptions>;
  readonly #sockets: ListeningSocket[] = [];
  readonly #connections = new Set<Connection>();
  readonly #nextRequest = new Expectation();
  readonly #records = new RecordStore();
  #stallTimer: Timer | undefined;
  #connectionCount = 0;
  #refused = { count: 0, loggedAtMs: -Infinity };
  #closing: Promise<void> | undefined;
  #onConnectionClosed: () => void = () => undefined;

  private constructor(options: NbdServerOptions) {
    this.#options = {
      zeroCopy: true,
      connectionsMax: CONNECTIONS_MAX,
      descriptorsMax: () => Infinity,
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      tls: undefined,
      ...options,
    };
    this.#checkStallsLater();
  }

  /**
   * Listens at all of `options.addresses`. Where several leave the port to the system, they get
   * the same one.
   * @throws VddkNbdError START with a hint, if one can't be had; it listens nowhere then.
   */
  static async listen(options: NbdServerOptions): Promise<NbdServer> {
    const server = new NbdServer(options);
    let port = 0;
    try {
      for (const wanted of options.addresses) {
        const address = wanted.kind === 'tcp' ? { ...wanted, port: wanted.port || port } : wanted;
        const socket = await ListeningSocket.listen(address, options.log, (client) => {
          server.serve(client);
        });
        server.#sockets.push(socket);
        if (socket.address.kind === 'tcp') port = socket.address.port;
      }
      return server;
    } catch (error) {
      await server.close(0);
      throw error;
    }
  }

  /** Where it listens, in the order of the options. */
  get addresses(): readonly BoundAddress[] {
    return this.#sockets.map(({ address }) => address);
  }

  /** Clients that are connected now. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /**
   * Stops accepting and removes socket files at once; then gives requests under way `drainMs`
   * to be answered, closes what is left, and resolves. Requests may still be under way in the disk.
   */
  close(drainMs: number): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async #close(drainMs: number): Promise<void> {
    this.#stallTimer?.cancel();
    for (const socket of this.#sockets) socket.close();
    for (const connection of this.#connections) connection.shutDown();
    let expired = drainMs <= 0;
    const timer = this.#options.clock.after(drainMs, () => {
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

  /** Serves a client that is connected; `closed` is called when it has gone, or was refused. */
  serve(stream: ClientStream, closed: () => void = () => undefined): void {
    const { clock, exports, handshakeTimeoutMs, log, tls, zeroCopy } = this.#options;
    const reason = this.#fullBecause(stream);
    if (this.#closing !== undefined || reason !== undefined) {
      this.#refuse(reason ?? 'it stops');
      stream.destroy();
      closed();
      return;
    }
    const name = `client ${++this.#connectionCount}`;
    const { remoteAddress } = stream as Partial<Socket>;
    log.debug(`${name} connected${remoteAddress === undefined ? '' : ` from ${remoteAddress}`}`);
    const connection = new Connection(stream, {
      exports,
      clock,
      log,
      name,
      zeroCopy,
      handshakeTimeoutMs,
      tls,
      nextRequest: this.#nextRequest,
      records: this.#records,
      closed: () => {
        log.debug(`${name} disconnected`);
        this.#connections.delete(connection);
        this.#onConnectionClosed();
        closed();
      },
    });
    this.#connections.add(connection);
  }

  /**
   * Why no further client is served, if none is. What clients have left behind when they closed
   * their connections counts: else who comes again and again could have any number of requests.
   */
  #fullBecause(stream: ClientStream): string | undefined {
    const { connectionsMax, descriptorsMax } = this.#options;
    if (descriptorOf(stream) >= descriptorsMax()) {
      return 'the other descriptors are for helpers; raise the limit of open files (ulimit -n)';
    }
    if (this.#connections.size >= connectionsMax) return `${connectionsMax} connections are open`;
    const requestsMax = SERVER_REQUESTS_MAX + connectionsMax * CONNECTION_REQUESTS_MIN;
    if (this.#records.inUse < requestsMax) return undefined;
    return `${requestsMax} requests wait, also of clients that have gone`;
  }

  #refuse(reason: string): void {
    if (this.#closing !== undefined) return;
    const { clock, log } = this.#options;
    this.#refused.count++;
    if (clock.nowMs() - this.#refused.loggedAtMs < REFUSALS_LOGGED_MS) return;
    const clients = this.#refused.count === 1 ? 'client' : `${this.#refused.count} clients`;
    log.warning(`${clients} refused: ${reason}`);
    this.#refused = { count: 0, loggedAtMs: clock.nowMs() };
  }

  #checkStallsLater(): void {
    this.#stallTimer = this.#options.clock.after(STALL_CHECK_MS, () => {
      for (const connection of this.#connections) connection.checkStall();
      this.#checkStallsLater();
    });
  }
}
