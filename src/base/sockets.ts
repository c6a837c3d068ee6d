// What node:net can't do with its sockets: receiving into memory of our choice, and sending at once
// without a stream's bookkeeping for each write. This is the only file that touches `_handle`;
// where it is not as expected, callers keep to the stream. The rule: bytes are sent past a stream
// only while it has none of its own to send, so that they never overtake any.
import { Socket, type SocketConstructorOpts } from 'node:net';
import type { Duplex, Writable } from 'node:stream';
import { addonPath, loadAddon } from './addon.js';

/** The parts of node's stream handles that we use; none of it is in its documentation. */
interface StreamHandle {
  useUserBuffer?: unknown;
  readStop?: unknown;
  writeQueueSize?: unknown;
  fd?: unknown;
}

interface WithHandle {
  _handle: StreamHandle | null | undefined;
}

/** What helper/addon/socket.c exports; both ways of sending return how many bytes have left. */
interface Addon {
  send(fd: number, bytes: Buffer, start: number, end: number): number;
  sendAll(fd: number, chunks: readonly Buffer[]): number;
  growSendBuffer(fd: number, bytes: number): void;
}

const addon = loadAddon(addonPath('socket')) as Addon;

/** A send buffer of a unix socket that holds a reply of 256 KiB; the kernel may give less. */
const SEND_BUFFER_BYTES = 512 * 1024;

function handleOf(socket: object): StreamHandle | undefined {
  return (socket as unknown as WithHandle)._handle ?? undefined;
}

/** Bytes the kernel has not taken yet, or those that wait where node does not say. */
export function unsentBytes(socket: Duplex): number {
  const bytes = handleOf(socket)?.writeQueueSize;
  return typeof bytes === 'number' ? bytes : socket.writableLength;
}

/** Whether `first` can be moved by moveSocket(). */
export function canMoveSocket(first: Duplex): boolean {
  const handle = handleOf(first);
  return typeof handle?.useUserBuffer === 'function' && typeof handle.readStop === 'function';
}

/** Where a moved socket's bytes go: `landed` is told how many are in what `next` returned last. */
export interface Landing {
  next: Buffer | (() => Buffer);
  landed: (byteCount: number) => void;
}

/**
 * Moves the connection of `first`, which must not have read anything (pauseOnConnect) and must not
 * be used afterwards, to a new socket whose bytes go to `landing`. It reads at once.
 */
export function moveSocket(first: Duplex, landing: Landing, allowHalfOpen: boolean): Socket {
  const { _handle: handle } = first as unknown as WithHandle;
  // Emptied before it is destroyed: the handle lives on, and the server counts this one as gone.
  (first as unknown as WithHandle)._handle = null;
  const options = {
    handle,
    allowHalfOpen,
    onread: {
      buffer: landing.next,
      callback: (byteCount: number) => {
        landing.landed(byteCount);
        return true;
      },
    },
  } as SocketConstructorOpts;
  const socket = new Socket(options);
  first.destroy();
  return socket;
}

/** The descriptor of a socket; -1 where node does not say. */
export function descriptorOf(socket: object): number {
  const fd = handleOf(socket)?.fd;
  return typeof fd === 'number' ? fd : -1;
}

/** The descriptor of a socket that has nothing else to send; -1: go by the stream. */
function idleDescriptor(socket: Writable): number {
  return socket.writableLength > 0 || !socket.writable ? -1 : descriptorOf(socket);
}

/** Lets a moved unix socket take long replies in one go. */
export function growSendBuffer(socket: Socket): void {
  const fd = idleDescriptor(socket);
  if (fd >= 0) addon.growSendBuffer(fd, SEND_BUFFER_BYTES);
}

/**
 * Sends the bytes [start, end) of `bytes` on a moved socket; returns how many have left. What has
 * not is the caller's to write to the stream, which reports errors.
 */
export function sendNow(socket: Writable, bytes: Buffer, start: number, end: number): number {
  const fd = idleDescriptor(socket);
  return fd < 0 ? 0 : addon.send(fd, bytes, start, end);
}

/** The same for whole buffers, in order. */
export function sendAllNow(socket: Writable, chunks: readonly Buffer[]): number {
  const fd = idleDescriptor(socket);
  return fd < 0 ? 0 : addon.sendAll(fd, chunks);
}
