// One client, from the first byte of its socket to its close: drives the handshake, then hands what
// comes over to its transmission, and sees to it that the connection ends.
// The rule: what it holds it gives back exactly once, whatever way the connection ends.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Expectation } from '../base/expectation.js';
import type { Clock, Timer } from '../base/clock.js';
import { KEEPALIVE_IDLE_MS, STALL_BYTES_MIN, STALL_TIMEOUT_MS } from '../base/limits.js';
import type { Log } from '../base/log.js';
import { canMoveSocket, unsentBytes } from '../base/sockets.js';
import { Handshake } from '../nbd/handshake.js';
import type { Exports, ServedExport } from './exports.js';
import { type HandshakeSink, Receiver } from './receive.js';
import type { RecordStore } from './request-record.js';
import { Transmission, type TransmissionHost } from './transmission.js';
import { receiveInPlace } from './zero-copy.js';

/** How a client is connected: a socket that was accepted paused, or any other stream. */
export type ClientStream = Duplex & Partial<Pick<Socket, 'setNoDelay' | 'setKeepAlive'>>;

/** TLS, for clients that ask for it. */
export interface TlsUpgrade {
  readonly mode: 'on' | 'require';
  /** Calls `done` with a stream that is secure, or with the reason why there is none. */
  upgrade(raw: ClientStream, done: (result: ClientStream | string) => void): void;
}

export interface ConnectionOptions {
  exports: Exports;
  clock: Clock;
  log: Log;
  /** For log lines. */
  name: string;
  /** False: receive by copying, as where zero-copy does not work. */
  zeroCopy: boolean;
  handshakeTimeoutMs: number;
  /** Undefined: TLS is not set up. */
  tls: TlsUpgrade | undefined;
  /** Of the next request of a client that has all its replies. */
  nextRequest: Expectation;
  records: RecordStore;
  /** Called once, when the socket is closed. Requests may still be under way in the disk. */
  closed: () => void;
}

export class Connection implements HandshakeSink, TransmissionHost {
  readonly log: Log;
  readonly name: string;
  readonly receiver: Receiver;
  readonly records: RecordStore;
  /** The client's stream; another one once it is secure. */
  socket: ClientStream;
  /** Whether bytes may be sent past `socket`: it is one that was moved, and not secure. */
  sendsNow: boolean;
  readonly #options: ConnectionOptions;
  readonly #handshake: Handshake<ServedExport>;
  #handshakeTimer: Timer | undefined;
  /** An export is being made ready: nothing is read, and it may take as long as it takes. */
  #lookingUp = false;
  /** Answers to options have not left yet: no further option is taken. */
  #unread = false;
  /** The client goes over to TLS: no byte in the clear is looked at any more. */
  #upgrading = false;
  /** It has asked for TLS: what becomes of that is said where it is known. */
  #askedForTls = false;
  /** Set when the handshake is over. */
  #transmission: Transmission | undefined;
  /** Nothing is read any more: what is under way is finished, then the socket is closed. */
  #finishing = false;
  #shuttingDown = false;
  #closed = false;
  #progress = { payloadCount: 0, batchCount: 0, movedBytes: 0, sinceMs: 0 };

  /** Takes over `accepted`; a socket must have been accepted with pauseOnConnect. */
  constructor(accepted: ClientStream, options: ConnectionOptions) {
    this.#options = options;
    this.log = options.log;
    this.name = options.name;
    this.records = options.records;
    this.#handshake = new Handshake(options.exports, {
      mode: options.tls?.mode ?? 'off',
      isSecure: false,
    });
    const inPlace = options.zeroCopy && canMoveSocket(accepted);
    this.receiver = new Receiver(this, inPlace);
    this.sendsNow = inPlace;
    this.socket = inPlace ? receiveInPlace(accepted, this.receiver) : accepted;
    this.#limitHandshake();
    this.#attach();
    this.socket.setNoDelay?.(true);
    this.socket.setKeepAlive?.(true, KEEPALIVE_IDLE_MS);
    if (!inPlace) this.#receiveByCopying();
    this.socket.write(this.#handshake.takeOutput());
  }

  #attach(): void {
    this.socket.on('error', (error) => {
      this.log.debug(`${this.name}: ${error.message}`);
    });
    this.socket.on('end', () => {
      this.#finish();
    });
    this.socket.on('close', () => {
      this.#onClose();
    });
  }

  #limitHandshake(): void {
    this.#handshakeTimer = this.#options.clock.after(this.#options.handshakeTimeoutMs, () => {
      // One that was closed may have left answers that the client does not read.
      if (this.#finishing) this.destroy();
      else this.fail('handshake not finished in time');
    });
  }

  #receiveByCopying(): void {
    this.socket.on('data', (chunk: Buffer) => {
      this.receiver.feed(chunk);
      if (!this.receiver.wantsBytes) this.socket.pause();
    });
    this.socket.resume();
  }

  /** Whether requests may be under way; before that nothing needs to be waited for. */
  get transmitting(): boolean {
    return this.#transmission !== undefined;
  }

  /**
   * Ends the connection as a server that shuts down: options are answered NBD_REP_ERR_SHUTDOWN and
   * new requests NBD_ESHUTDOWN, and once no request is under way the socket is closed.
   */
  shutDown(): void {
    this.#shuttingDown = true;
    this.#handshake.shutDown();
    if (this.#transmission === undefined) return;
    this.#transmission.shuttingDown = true;
    if (this.#transmission.idle) this.#finish();
  }

  /** Closes the socket now; replies that have not left are dropped. */
  destroy(): void {
    this.receiver.stop();
    this.#finishing = true;
    this.socket.destroy();
  }

  /**
   * Closes a connection that holds memory and has made no progress for STALL_TIMEOUT_MS, while
   * another one has been waiting for memory as long. To be called every now and then.
   * Progress is the next payload, the next batch of replies, or STALL_BYTES_MIN of one: a byte now
   * and then must not keep others waiting.
   */
  checkStall(): void {
    if (this.#transmission === undefined) return;
    const nowMs = this.#options.clock.nowMs();
    const { inPayload, payloadCount, receivedBytes } = this.receiver;
    const { batchCount, busy, queuedBytes } = this.#transmission.sender;
    const movedBytes = receivedBytes + queuedBytes - unsentBytes(this.socket);
    const before = this.#progress;
    const still =
      before.payloadCount === payloadCount &&
      before.batchCount === batchCount &&
      movedBytes - before.movedBytes < STALL_BYTES_MIN;
    if (!still || !(inPayload || busy)) {
      this.#progress = { payloadCount, batchCount, movedBytes, sinceMs: nowMs };
      return;
    }
    const waitSinceMs = this.#transmission.othersWaitSinceMs();
    if (waitSinceMs === undefined) return;
    if (nowMs - Math.max(before.sinceMs, waitSinceMs) >= STALL_TIMEOUT_MS) {
      this.fail('no progress while other clients wait for memory');
    }
  }

  // HandshakeSink

  get stopped(): boolean {
    return this.#finishing || this.#lookingUp || this.#upgrading || this.#unread;
  }

  handshake(bytes: Buffer): number {
    const taken = this.#handshake.receive(bytes);
    if (this.#handshake.stage === 'upgrade' && taken < bytes.length) {
      this.fail('bytes in the clear behind NBD_OPT_STARTTLS');
      return bytes.length;
    }
    this.#onHandshake();
    return taken;
  }

  // TransmissionHost

  fail(reason: string): void {
    if (this.#closed || this.#finishing) return;
    this.log.warning(`${this.name}: ${reason}`);
    this.destroy();
  }

  disconnected(): void {
    this.#finish();
  }

  goOn(): void {
    if (this.#finishing || this.receiver.stopped) return;
    this.receiver.process();
    if (this.receiver.wantsBytes && this.socket.isPaused()) this.socket.resume();
  }

  drained(): void {
    if (this.#finishing || this.#shuttingDown) this.#close();
    else this.#expectNext();
  }

  /** Everything is answered; if a request was expected, that was it. */
  #expectNext(): void {
    this.#options.nextRequest.came();
    this.#options.nextRequest.begin();
  }

  /** The handshake has gone a step: sends what it says, and does what its stage asks for. */
  #onHandshake(): void {
    const output = this.#handshake.takeOutput();
    if (this.#handshake.stage === 'upgrade') {
      this.#upgrade(output);
      return;
    }
    if (output.length > 0) this.#answer(output);
    const { agreement, found, reason, stage } = this.#handshake;
    if (stage === 'closed') {
      if (reason !== '') this.log.warning(`${this.name}: ${reason}`);
      this.#finish();
    } else if (agreement !== undefined) {
      this.#handshakeTimer?.cancel();
      this.#transmission = new Transmission(agreement, this);
    } else if (found !== undefined) {
      this.#lookingUp = true;
      this.#handshakeTimer?.cancel();
      void found.then(() => {
        this.#onFound();
      });
    }
  }

  #answer(output: Buffer): void {
    if (this.socket.write(output)) return;
    this.#unread = true;
    this.socket.once('drain', () => {
      this.#unread = false;
      this.goOn();
    });
  }

  /** Sends the acknowledgement of NBD_OPT_STARTTLS, and nothing in the clear behind it. */
  #upgrade(acknowledgement: Buffer): void {
    this.#upgrading = this.#askedForTls = true;
    this.sendsNow = false;
    const raw = this.socket;
    raw.pause();
    raw.write(acknowledgement, (error) => {
      if (error || this.#finishing) return;
      raw.removeAllListeners('data').removeAllListeners('end');
      this.#options.tls?.upgrade(raw, (result) => {
        this.#onUpgraded(result);
      });
    });
  }

  #onUpgraded(result: ClientStream | string): void {
    if (typeof result === 'string') {
      // The socket may be closed already: a reason is worth a line all the same.
      this.log.warning(`${this.name}: TLS: ${result}`);
      this.destroy();
      return;
    }
    if (this.#finishing) {
      result.destroy();
      return;
    }
    this.#upgrading = false;
    this.socket = result;
    this.#attach();
    this.#handshake.secured();
    this.#receiveByCopying();
  }

  #onFound(): void {
    this.#lookingUp = false;
    if (this.#finishing) return;
    this.#limitHandshake();
    this.#onHandshake();
    this.goOn();
  }

  /** Reads no further, answers what is under way, and closes. */
  #finish(): void {
    if (this.#finishing) return;
    this.#finishing = true;
    this.receiver.stop();
    this.socket.pause();
    this.#transmission?.end();
    if (this.#transmission?.idle ?? true) this.#close();
  }

  /** All replies have been written: says goodbye, and is gone when that has left. */
  #close(): void {
    this.#finishing = true;
    this.receiver.stop();
    this.socket.end(() => {
      this.socket.destroy();
    });
  }

  #onClose(): void {
    if (this.#closed) return;
    if (this.#options.tls?.mode === 'require' && !this.#askedForTls) {
      this.log.warning(`${this.name}: it has left without TLS, which is required`);
    }
    this.#closed = true;
    this.#finishing = true;
    this.#handshakeTimer?.cancel();
    this.receiver.stop();
    this.#transmission?.close();
    this.#options.closed();
  }
}
