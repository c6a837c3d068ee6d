// Moves an accepted socket to one whose bytes land where a receiver says. Used by the connection.
// The rule: a socket of which that can't be done stays as it is, and its bytes are copied.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { growSendBuffer, moveSocket } from '../base/sockets.js';
import type { Receiver } from './receive.js';

/**
 * Moves the connection of `accepted` to a new socket, whose bytes land where `receiver` says.
 * `accepted` must have been accepted with pauseOnConnect and must not be used afterwards.
 * The new socket reads at once. It pauses itself when the receiver has no use for more.
 */
export function receiveInPlace(accepted: Duplex, receiver: Receiver): Socket {
  const landing = {
    next: () => receiver.next(),
    landed: (byteCount: number) => {
      receiver.landed(byteCount);
      if (!receiver.wantsBytes) socket.pause();
    },
  };
  const socket = moveSocket(accepted, landing, true);
  growSendBuffer(socket);
  return socket;
}
