// The transmission phase of one client: requests from the receiver become requests of the disk,
// and their results replies. Made by the connection when the handshake is over.
// The rule: a request that was begun is never taken back because the connection closed; its reply
// is dropped, and its memory is released when the disk is done with it.
import type { Socket } from 'node:net';
import { CONNECTION_REQUESTS_MAX } from '../base/limits.js';
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
import type { RequestHeader } from '../nbd/request.js';
import { validateRequest } from '../nbd/validate.js';
import type { ServedExport } from './exports.js';
import type { Receiver, RequestSink } from './receive.js';
import { RecordPool, type RequestRecord } from './request-record.js';
import { Sender, type SendSink } from './send.js';

/** What a transmission needs of its connection. */
export interface TransmissionHost {
  readonly log: Log;
  /** For log lines. */
  readonly name: string;
  readonly receiver: Receiver;
  readonly socket: Socket;
  /** The client has violated the protocol: it is closed at once. */
  fail(reason: string): void;
  /** The client has said goodbye. */
  disconnected(): void;
  /** Something is over that may have stopped the receiving. */
  goOn(): void;
  /** Nothing is under way any more: no request, no reply, no payload. */
  drained(): void;
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

export class Transmission implements RequestSink, SendSink, DiskClient {
  readonly sender: Sender;
  readonly #host: TransmissionHost;
  readonly #export: ServedExport;
  readonly #session: DiskSession;
  readonly #records = new RecordPool();
  /** Begun, and not granted yet. */
  #waiting: RequestRecord | undefined;
  /** The write whose payload is being received: granted, or refused and passed over. */
  #writing: RequestRecord | undefined;
  /** No further request is looked at. */
  #ending = false;
  #closed = false;
  /** New requests are answered NBD_ESHUTDOWN. */
  shuttingDown = false;

  constructor(target: ServedExport, host: TransmissionHost) {
    this.#host = host;
    this.#export = target;
    this.#session = target.disk.session(this);
    this.sender = new Sender(host.socket, this);
  }

  /** Whether nothing is under way: no request, no reply, no payload. */
  get idle(): boolean {
    return this.#records.inUse === 0 && !this.sender.busy;
  }

  /** See DiskSession. */
  othersWaitSinceMs(): number | undefined {
    return this.#session.othersWaitSinceMs();
  }

  /** No more requests: gives up the write whose payload will never be complete, and who waits. */
  end(): void {
    this.#ending = true;
    for (const record of [this.#writing, this.#waiting]) {
      if (record === undefined) continue;
      if (!record.refused) this.#session.abandon(record);
      this.#records.giveBack(record);
    }
    this.#writing = this.#waiting = undefined;
  }

  /** The socket is closed: nothing leaves any more. */
  close(): void {
    this.#closed = true;
    this.end();
    this.sender.stop();
    this.#session.end();
  }

  // RequestSink

  get stopped(): boolean {
    return (
      this.#ending || this.#waiting !== undefined || this.#records.inUse >= CONNECTION_REQUESTS_MAX
    );
  }

  request(header: RequestHeader): void {
    if (header.magic !== NBD_REQUEST_MAGIC) {
      this.#host.fail(`bad request magic 0x${header.magic.toString(16)}`);
      return;
    }
    if (header.type === NBD_CMD_DISC) {
      this.#host.disconnected();
      return;
    }
    const error = this.shuttingDown ? NBD_ESHUTDOWN : validateRequest(header, this.#export);
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
    if (record.refused) this.sender.reply(record);
    else this.#session.submit(record);
  }

  // DiskClient

  granted(request: RequestRecord): void {
    if (this.#waiting !== request) return;
    this.#waiting = undefined;
    this.#onGranted(request);
    this.#host.goOn();
  }

  completed(request: RequestRecord): void {
    request.errorValue = errorValue(request.error);
    if (request.error !== undefined && this.#host.log.verbose) this.#logFailure(request);
    this.sender.reply(request);
  }

  // SendSink

  done(record: RequestRecord): void {
    if (!record.refused) this.#session.release(record);
    this.#records.giveBack(record);
    if (!this.#closed) this.#host.goOn();
  }

  drained(): void {
    if (this.idle) this.#host.drained();
  }

  #begin(record: RequestRecord): void {
    // Set first: granted() may come before begin() returns.
    this.#waiting = record;
    if (!this.#session.begin(record)) return;
    this.#waiting = undefined;
    this.#onGranted(record);
  }

  #onGranted(record: RequestRecord): void {
    if (record.op !== 'write') return;
    this.#writing = record;
    this.#host.receiver.intoPieces(record.pieces, record.lengthBytes);
  }

  /** Answers without the disk; a payload that comes with the request is read past first. */
  #refuse(record: RequestRecord, header: RequestHeader, error: number): void {
    record.refused = true;
    record.errorValue = error;
    if (this.#host.log.verbose) {
      const { type, commandFlags, offsetBytes, lengthBytes } = header;
      this.#host.log.debug(
        `${this.#host.name}: refused with ${error}: type ${type} ` +
          `flags ${commandFlags} offset ${offsetBytes} length ${lengthBytes}`,
      );
    }
    if (header.type === NBD_CMD_WRITE && header.lengthBytes > 0) {
      this.#writing = record;
      this.#host.receiver.passOver(header.lengthBytes);
    } else {
      this.sender.reply(record);
    }
  }

  #logFailure(request: RequestRecord): void {
    const { op, offsetBytes, lengthBytes, error, errorText } = request;
    this.#host.log.debug(
      `${op} of ${lengthBytes} bytes at ${offsetBytes}: ` +
        `${error ?? ''}${errorText === '' ? '' : `: ${errorText}`}`,
    );
  }
}
