// Receiving into memory of our choice. Node gives it to sockets we make (`onread` with a function
// as `buffer`), not to those a server accepts; so an accepted socket's handle is moved to a second
// socket. This is the only file that touches `_handle`; where it is not as expected, the caller
// keeps the first socket and copies.
import { Socket, type SocketConstructorOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Receiver } from './receive.js';

/** The parts of node's stream handles that we use; none of it is in its documentation. */
interface StreamHandle {
  useUserBuffer?: unknown;
  readStop?: unknown;
  writeQueueSize?: unknown;
}

interface WithHandle {
  _handle: StreamHandle | null | undefined;
}

function handleOf(socket: Duplex): StreamHandle | undefined {
  return (socket as unknown as WithHandle)._handle ?? undefined;
}

/** Bytes the kernel has not taken yet, or those that wait where node does not say. */
export function unsentBytes(socket: Duplex): number {
  const bytes = handleOf(socket)?.writeQueueSize;
  return typeof bytes === 'number' ? bytes : socket.writableLength;
}

/** Whether a socket that was accepted paused can be moved by receiveInPlace(). */
export function canReceiveInPlace(accepted: Duplex): boolean {
  const handle = handleOf(accepted);
  return typeof handle?.useUserBuffer === 'function' && typeof handle.readStop === 'function';
}

/**
 * Moves the connection of `accepted` to a new socket, whose bytes land where `receiver` says.
 * `accepted` must have been accepted with pauseOnConnect and must not be used afterwards.
 * The new socket reads at once. It pauses itself when the receiver has no use for more.
 */
export function receiveInPlace(accepted: Duplex, receiver: Receiver): Socket {
  const first = accepted as unknown as WithHandle;
  const handle = first._handle;
  // Emptied before it is destroyed: the handle lives on, and the server counts this one as gone.
  first._handle = null;
  const options = {
    handle,
    allowHalfOpen: true,
    onread: {
      buffer: () => receiver.next(),
      callback: (byteCount: number) => {
        receiver.landed(byteCount);
        if (!receiver.wantsBytes) socket.pause();
        return true;
      },
    },
  } as SocketConstructorOpts;
  const socket = new Socket(options);
  accepted.destroy();
  return socket;
}
