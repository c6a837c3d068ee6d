// One socket that clients connect to: TCP, unix, or a descriptor that was inherited. listener.ts
// has several of them. The rule: a socket file that is ours goes with close(), another's never.
import { fstatSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo, isIPv6, type Server, type Socket } from 'node:net';
import { messageOf, VddkNbdError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import {
  closeSocket,
  listenPrivately,
  removeStaleSocket,
  socketAt,
  type SocketIdentity,
} from './unix-socket.js';

/** Where clients connect. TCP port 0 lets the system pick one; `host` is a numeric address. */
export type BoundAddress =
  { kind: 'tcp'; host: string; port: number } | { kind: 'unix'; path: string };

/** Where to listen; `fd` is a descriptor that listens already. */
export type ListenAddress = BoundAddress | { kind: 'fd'; fd: number };

function hintFor(code: string, address: ListenAddress): string {
  if (address.kind === 'fd') return 'LISTEN_FDS must count stream sockets that listen.';
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
    case 'EAFNOSUPPORT':
      return 'The address must be one of this machine; see -i.';
    default:
      return `Choose another ${tcp ? 'address with -i and -p' : 'path with -U'}.`;
  }
}

function startError(cause: unknown, address: ListenAddress): VddkNbdError {
  if (cause instanceof VddkNbdError) return cause;
  const { code = '' } = cause as NodeJS.ErrnoException;
  let where: string;
  if (address.kind === 'tcp') where = `${address.host} port ${address.port}`;
  else where = address.kind === 'unix' ? address.path : `file descriptor ${address.fd}`;
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
    if (address.kind === 'unix') {
      listenPrivately(server, address.path);
    } else if (address.kind === 'fd') {
      server.listen({ fd: address.fd });
    } else {
      // Like nbdkit: `-i ::` is IPv6 alone, so that `-i 0.0.0.0` fits beside it.
      const { host, port } = address;
      server.listen({ host, port, ipv6Only: isIPv6(host) });
    }
  });
}

/** The path of an inherited unix socket, from the kernel's list; "" if it has none. */
function inheritedPath(fd: number): string {
  const { ino } = fstatSync(fd);
  for (const line of readFileSync('/proc/net/unix', 'latin1').split('\n')) {
    // Num RefCount Protocol Flags Type St Inode Path
    const fields = /^(?:\S+\s+){6}(\d+) (.*)$/.exec(line);
    if (fields?.[1] === String(ino)) return Buffer.from(fields[2] ?? '', 'latin1').toString();
  }
  return '';
}

function boundAddress(server: Server, wanted: ListenAddress): BoundAddress {
  if (wanted.kind === 'unix') return wanted;
  const bound = server.address() as AddressInfo | null;
  if (typeof bound?.port === 'number') {
    const host = wanted.kind === 'tcp' ? wanted.host : bound.address;
    return { kind: 'tcp', host, port: bound.port };
  }
  return { kind: 'unix', path: wanted.kind === 'fd' ? inheritedPath(wanted.fd) : '' };
}

/** A socket that listens. */
export class ListeningSocket {
  /** Where clients connect, with the port that was picked. */
  readonly address: BoundAddress;
  readonly #server: Server;
  readonly #ownFile: { path: string; identity: SocketIdentity | undefined } | undefined;

  private constructor(server: Server, wanted: ListenAddress) {
    this.#server = server;
    this.address = boundAddress(server, wanted);
    if (wanted.kind === 'unix') {
      this.#ownFile = { path: wanted.path, identity: socketAt(wanted.path) };
    }
  }

  /**
   * Listens at `address`; clients are handed to `accept`, paused. A socket file that nobody listens
   * on is replaced.
   * @throws VddkNbdError START with a hint, if that can't be had.
   */
  static async listen(
    address: ListenAddress,
    log: Log,
    accept: (socket: Socket) => void,
  ): Promise<ListeningSocket> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, accept);
    try {
      if (address.kind === 'unix') await removeStaleSocket(address.path);
      await bind(server, address);
    } catch (cause) {
      throw startError(cause, address);
    }
    server.on('error', (error) => {
      log.warning(`accepting a client: ${error.message}`);
    });
    return new ListeningSocket(server, address);
  }

  /** Accepts no more, and removes the socket file if it is still ours. */
  close(): void {
    if (this.#ownFile === undefined) this.#server.close();
    else closeSocket(this.#server, this.#ownFile.path, this.#ownFile.identity);
  }
}
