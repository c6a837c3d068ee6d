// One client: its handshake, then its requests, between its socket and its session with the disk.
// What it holds (records, lent memory, the session) it gives back exactly once, whatever way the
// connection ends. The rule: a request that was begun is never taken back because the connection
// closed; its reply is dropped, and its memory is released when the disk is done with it.
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../base/clock.js';
import { CONNECTION_REQUESTS_MAX, HANDSHAKE_TIMEOUT_MS, STALL_TIMEOUT_MS } from '../base/limits.js';
import type { Log } from '../base/log.js';
import type { DiskClient, DiskOp, DiskSession } from '../disk/disk.js';
import {
  NBD_CMD_DISC,
  NBD_CMD_FLAG_FUA,
  NBD_CMD_READ,
  NBD_CMD_WRITE,
  NBD_CMD_WRITE_ZEROES,
  NBD_ESHUTDOWN,
  NBD_REQUEST_MAGIC,
  NBD_SUCCESS,
} from '../nbd/constants.js';
import { errorValue } from '../nbd/errno.js';
import { Handshake } from '../nbd/handshake.js';
import type { RequestHeader } from '../nbd/request.js';
import { validateRequest } from '../nbd/validate.js';
import type { Exports, ServedExport } from './exports.js';
import { Receiver, type ReceiveSink } from './receive.js';
import { RecordPool, type RequestRecord } from './request-record.js';
import { Sender, type SendSink } from './send.js';
import type { Spinner } from './spin.js';
import { canReceiveInPlace, receiveInPlace, unsentBytes } from './zero-copy.js';

export interface ConnectionOptions {
  exports: Exports;
  clock: Clock;
  log: Log;
  /** For log lines. */
  name: string;
  /** False: receive by copying, as where zero-copy does not work. */
  zeroCopy: boolean;
  spinner: Spinner;
  /** Called once, when the socket is closed. Requests may still be under way in the disk. */
  closed: () => void;
}

/** The disk's word for a command that validateRequest() has passed. */
function diskOp(type: number): DiskOp {
  switch (type) {
    case NBD_CMD_READ:
      return 'read';
    case NBD_CMD_WRITE:
      return 'write';
    case NBD_CMD_WRITE_ZEROES:
      return 'zero';
    default:
      return 'flush';
  }
}

export class Connection implements ReceiveSink, SendSink, DiskClient {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #receiver: Receiver;
  readonly #sender: Sender;
  readonly #handshake: Handshake<ServedExport>;
  #handshakeTimer: Timer | undefined;
  /** An export is being made ready: nothing is read, and it may take as long as it takes. */
  #lookingUp = false;
  readonly #records = new RecordPool();
  #export: ServedExport | undefined;
  #session: DiskSession | undefined;
  /** Begun, and not granted yet. */
  #waiting: RequestRecord | undefined;
  /** The write whose payload is being received: granted, or refused and passed over. */
  #writing: RequestRecord | undefined;
  /** Nothing is read any more: what is under way is finished, then the socket is closed. */
  #finishing = false;
  #shuttingDown = false;
  #closed = false;
  #progress = { receivedBytes: 0, batchCount: 0, unsentBytes: 0, sinceMs: 0 };

  /** Takes over `accepted`, which must have been accepted with pauseOnConnect. */
  constructor(accepted: Socket, options: ConnectionOptions) {
    this.#options = options;
    this.#handshake = new Handshake(options.exports);
    const inPlace = options.zeroCopy && canReceiveInPlace(accepted);
    this.#receiver = new Receiver(this, inPlace);
    this.#socket = inPlace ? receiveInPlace(accepted, this.#receiver) : accepted;
    this.#sender = new Sender(this.#socket, this);
    this.#limitHandshake();
    this.#socket.on('error', (error) => {
      options.log.debug(`${options.name}: ${error.message}`);
    });
    this.#socket.on('end', () => {
      this.#finish();
    });
    this.#socket.on('close', () => {
      this.#onClose();
    });
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true);
    if (!inPlace) this.#receiveByCopying();
    this.#socket.write(this.#handshake.takeOutput());
  }

  #limitHandshake(): void {
    this.#handshakeTimer = this.#options.clock.after(HANDSHAKE_TIMEOUT_MS, () => {
      this.#fail('handshake not finished in time');
    });
  }

  #receiveByCopying(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      this.#receiver.feed(chunk);
      if (!this.#receiver.wantsBytes) this.#socket.pause();
    });
    this.#socket.resume();
  }

  /** Whether requests may be under way; before that nothing needs to be waited for. */
  get transmitting(): boolean {
    return this.#session !== undefined;
  }

  /**
   * Ends the connection as a server that shuts down: options are answered NBD_REP_ERR_SHUTDOWN and
   * new requests NBD_ESHUTDOWN, and once no request is under way the socket is closed.
   */
  shutDown(): void {
    this.#shuttingDown = true;
    this.#handshake.shutDown();
    if (this.transmitting && this.#idle) this.#finish();
  }

  /** Closes the socket now; replies that have not left are dropped. */
  destroy(): void {
    this.#receiver.stop();
    this.#finishing = true;
    this.#socket.destroy();
  }

  /**
   * Closes a connection that holds memory and has made no progress for STALL_TIMEOUT_MS, while
   * another one has been waiting for memory as long. To be called every now and then.
   */
  checkStall(): void {
    const nowMs = this.#options.clock.nowMs();
    const { receivedBytes } = this.#receiver;
    const { batchCount } = this.#sender;
    const unsent = unsentBytes(this.#socket);
    const before = this.#progress;
    const still =
      before.receivedBytes === receivedBytes &&
      before.batchCount === batchCount &&
      before.unsentBytes === unsent;
    if (!still || !(this.#receiver.inPayload || this.#sender.busy)) {
      this.#progress = { receivedBytes, batchCount, unsentBytes: unsent, sinceMs: nowMs };
      return;
    }
    const waitSinceMs = this.#session?.othersWaitSinceMs();
    if (waitSinceMs === undefined) return;
    if (nowMs - Math.max(before.sinceMs, waitSinceMs) >= STALL_TIMEOUT_MS) {
      this.#fail('no progress while other clients wait for memory');
    }
  }

  // ReceiveSink

  get stopped(): boolean {
    return (
      this.#finishing ||
      this.#lookingUp ||
      this.#waiting !== undefined ||
      this.#records.inUse >= CONNECTION_REQUESTS_MAX
    );
  }

  handshake(bytes: Buffer): number {
    const taken = this.#handshake.receive(bytes);
    this.#onHandshake();
    return taken;
  }

  request(header: RequestHeader): void {
    if (this.#export === undefined) return;
    if (header.magic !== NBD_REQUEST_MAGIC) {
      this.#fail(`bad request magic 0x${header.magic.toString(16)}`);
      return;
    }
    if (header.type === NBD_CMD_DISC) {
      this.#finish();
      return;
    }
    const error = this.#shuttingDown ? NBD_ESHUTDOWN : validateRequest(header, this.#export);
    const record = this.#records.take(header);
    if (error === NBD_SUCCESS) {
      record.op = diskOp(header.type);
      const writes = record.op === 'write' || record.op === 'zero';
      record.fua = writes && (header.commandFlags & NBD_CMD_FLAG_FUA) !== 0;
      this.#begin(record);
    } else {
      this.#refuse(record, header, error);
    }
  }

  payload(): void {
    const record = this.#writing;
    this.#writing = undefined;
    if (record === undefined) return;
    if (record.refused) this.#sender.reply(record);
    else this.#session?.submit(record);
  }

  // DiskClient

  granted(request: RequestRecord): void {
    if (this.#waiting !== request) return;
    this.#waiting = undefined;
    this.#onGranted(request);
    this.#goOn();
  }

  completed(request: RequestRecord): void {
    request.errorValue = errorValue(request.error);
    if (request.error !== undefined && this.#options.log.verbose) this.#logFailure(request);
    this.#sender.reply(request);
  }

  // SendSink

  done(record: RequestRecord): void {
    if (!record.refused) this.#session?.release(record);
    this.#records.giveBack(record);
    if (!this.#closed) this.#goOn();
  }

  drained(): void {
    if (!this.#idle) return;
    if (this.#finishing || this.#shuttingDown) this.#close();
    else this.#options.spinner.expectSoon();
  }

  /** The handshake has gone a step: sends what it says, and does what its stage asks for. */
  #onHandshake(): void {
    const { log, name } = this.#options;
    const output = this.#handshake.takeOutput();
    if (output.length > 0) this.#socket.write(output);
    const { chosen, found, reason, stage } = this.#handshake;
    if (stage === 'closed') {
      if (reason !== '') log.warning(`${name}: ${reason}`);
      this.#finish();
    } else if (chosen !== undefined) {
      this.#export = chosen;
      this.#session = chosen.disk.session(this);
      this.#handshakeTimer?.cancel();
      this.#receiver.expectRequests();
    } else if (found !== undefined) {
      this.#lookingUp = true;
      this.#handshakeTimer?.cancel();
      void found.then(() => {
        this.#onFound();
      });
    }
  }

  #onFound(): void {
    this.#lookingUp = false;
    if (this.#finishing) return;
    this.#limitHandshake();
    this.#onHandshake();
    this.#goOn();
  }

  /** Whether nothing is under way: no request, no reply, no payload. */
  get #idle(): boolean {
    return this.#records.inUse === 0 && !this.#sender.busy;
  }

  #begin(record: RequestRecord): void {
    // Set first: granted() may come before begin() returns.
    this.#waiting = record;
    if (this.#session?.begin(record) !== true) return;
    this.#waiting = undefined;
    this.#onGranted(record);
  }

  #onGranted(record: RequestRecord): void {
    if (record.op !== 'write') return;
    this.#writing = record;
    this.#receiver.intoPieces(record.pieces, record.lengthBytes);
  }

  /** Answers without the disk; a payload that comes with the request is read past first. */
  #refuse(record: RequestRecord, header: RequestHeader, error: number): void {
    record.refused = true;
    record.errorValue = error;
    if (this.#options.log.verbose) {
      const { type, commandFlags, offsetBytes, lengthBytes } = header;
      this.#options.log.debug(
        `${this.#options.name}: refused with ${error}: type ${type} ` +
          `flags ${commandFlags} offset ${offsetBytes} length ${lengthBytes}`,
      );
    }
    if (header.type === NBD_CMD_WRITE && header.lengthBytes > 0) {
      this.#writing = record;
      this.#receiver.passOver(header.lengthBytes);
    } else {
      this.#sender.reply(record);
    }
  }

  /** Goes on receiving, after something that may have stopped it. */
  #goOn(): void {
    if (this.#finishing || this.stopped) return;
    this.#receiver.process();
    if (this.#receiver.wantsBytes && this.#socket.isPaused()) this.#socket.resume();
  }

  #logFailure(request: RequestRecord): void {
    const { op, offsetBytes, lengthBytes, error, errorText } = request;
    this.#options.log.debug(
      `${op} of ${lengthBytes} bytes at ${offsetBytes}: ` +
        `${error ?? ''}${errorText === '' ? '' : `: ${errorText}`}`,
    );
  }

  /** A violation of the protocol, or a client that must go: closed at once. */
  #fail(reason: string): void {
    if (this.#closed || this.#finishing) return;
    this.#options.log.warning(`${this.#options.name}: ${reason}`);
    this.destroy();
  }

  /** Reads no further, answers what is under way, and closes. */
  #finish(): void {
    if (this.#finishing) return;
    this.#finishing = true;
    this.#receiver.stop();
    this.#socket.pause();
    this.#abandonUnsent();
    if (this.#idle) this.#close();
  }

  /** Gives up the write whose payload will never be complete, and the request that waits. */
  #abandonUnsent(): void {
    for (const record of [this.#writing, this.#waiting]) {
      if (record === undefined) continue;
      if (!record.refused) this.#session?.abandon(record);
      this.#records.giveBack(record);
    }
    this.#writing = this.#waiting = undefined;
  }

  /** All replies have been written: says goodbye, and is gone when that has left. */
  #close(): void {
    this.#finishing = true;
    this.#receiver.stop();
    this.#socket.end(() => {
      this.#socket.destroy();
    });
  }

  #onClose(): void {
    this.#closed = true;
    this.#finishing = true;
    this.#handshakeTimer?.cancel();
    this.#receiver.stop();
    this.#abandonUnsent();
    this.#sender.stop();
    this.#session?.end();
    this.#options.closed();
  }
}
