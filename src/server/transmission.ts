// The transmission phase of one client: requests from the receiver become requests of the disk,
// and their results replies. Made by the connection when the handshake is over.
// The rule: a request that was begun is never taken back because the connection closed; its reply
// is dropped, and its memory is released when the disk is done with it.
import type { Writable } from 'node:stream';
import {
  CONNECTION_EXTENTS_REQUESTS_MAX,
  EXTENTS_PER_REPLY_MAX,
  READ_EXTENTS_MAX,
} from '../base/limits.js';
import type { Log } from '../base/log.js';
import type { DiskClient, DiskOp, DiskSession } from '../disk/disk.js';
import type { Agreement } from '../nbd/agreement.js';
import {
  NBD_CMD_BLOCK_STATUS,
  NBD_CMD_CACHE,
  NBD_CMD_DISC,
  NBD_CMD_FLAG_DF,
  NBD_CMD_FLAG_FUA,
  NBD_CMD_FLAG_REQ_ONE,
  NBD_CMD_READ,
  NBD_CMD_WRITE,
  NBD_CMD_WRITE_ZEROES,
  NBD_EXTENDED_REQUEST_MAGIC,
  NBD_REQUEST_MAGIC,
} from '../nbd/constants.js';
import { errorValue } from '../nbd/errno.js';
import type { RequestHeader } from '../nbd/request.js';
import { type Refusal, SHUTTING_DOWN, validateRequest } from '../nbd/validate.js';
import type { ServedExport } from './exports.js';
import type { Receiver, RequestSink } from './receive.js';
import { RecordPool, type RecordStore, type RequestRecord } from './request-record.js';
import { Sender, type SendSink } from './send.js';

/** What a transmission needs of its connection. */
export interface TransmissionHost {
  readonly log: Log;
  /** For log lines. */
  readonly name: string;
  readonly receiver: Receiver;
  readonly records: RecordStore;
  readonly socket: Writable;
  /** Whether bytes may be sent past `socket`. */
  readonly sendsNow: boolean;
  /** The client has violated the protocol: it is closed at once. */
  fail(reason: string): void;
  /** The client has said goodbye. */
  disconnected(): void;
  /** Something is over that may have stopped the receiving. */
  goOn(): void;
  /** Nothing is under way any more: no request, no reply, no payload. */
  drained(): void;
}

/** A payload that is not served is read past up to here; who sends more is closed. */
const PASS_OVER_BYTES_MAX = 0xffffffff;

/** The disk's word for a command that validateRequest() has passed. */
function diskOp(type: number): DiskOp {
  switch (type) {
    case NBD_CMD_READ:
      return 'read';
    case NBD_CMD_WRITE:
      return 'write';
    case NBD_CMD_WRITE_ZEROES:
      return 'zero';
    case NBD_CMD_BLOCK_STATUS:
      return 'extents';
    case NBD_CMD_CACHE:
      return 'cache';
    default:
      return 'flush';
  }
}

export class Transmission implements RequestSink, SendSink, DiskClient {
  readonly sender: Sender;
  readonly #host: TransmissionHost;
  readonly #agreement: Agreement<ServedExport>;
  readonly #magic: number;
  readonly #session: DiskSession;
  readonly #records: RecordPool;
  /** Begun, and not granted yet. */
  #waiting: RequestRecord | undefined;
  /** The write whose payload is being received: granted, or refused and passed over. */
  #writing: RequestRecord | undefined;
  /** Requests for block status that are not answered. */
  #extentsInUse = 0;
  /** No further request is looked at. */
  #ending = false;
  #closed = false;
  /** New requests are answered NBD_ESHUTDOWN. */
  shuttingDown = false;

  constructor(agreement: Agreement<ServedExport>, host: TransmissionHost) {
    const { style, target } = agreement;
    this.#host = host;
    this.#agreement = agreement;
    this.#magic = style === 'extended' ? NBD_EXTENDED_REQUEST_MAGIC : NBD_REQUEST_MAGIC;
    this.#session = target.disk.session(this);
    this.#records = new RecordPool(host.records);
    this.sender = new Sender(host, style, this);
    host.receiver.expectRequests(this, style === 'extended');
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
      this.#ending ||
      this.#waiting !== undefined ||
      this.#records.isFull ||
      this.#extentsInUse >= CONNECTION_EXTENTS_REQUESTS_MAX
    );
  }

  request(header: RequestHeader): void {
    if (header.magic !== this.#magic) {
      this.#host.fail(`bad request magic 0x${header.magic.toString(16)}`);
      return;
    }
    if (header.type === NBD_CMD_DISC) {
      this.#host.disconnected();
      return;
    }
    const refusal = this.shuttingDown ? SHUTTING_DOWN : validateRequest(header, this.#agreement);
    const record = this.#records.take(header);
    if (refusal === undefined) {
      this.#setUp(record, header);
      this.#begin(record);
    } else {
      this.#refuse(record, header, refusal);
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
    if (record.op === 'extents') this.#extentsInUse--;
    this.#records.giveBack(record);
    if (!this.#closed) this.#host.goOn();
  }

  drained(): void {
    if (this.idle) this.#host.drained();
  }

  /** From the protocol's words to the disk's. */
  #setUp(record: RequestRecord, { commandFlags, type }: RequestHeader): void {
    const op = diskOp(type);
    record.op = op;
    if (op === 'write' || op === 'zero') {
      record.fua = (commandFlags & NBD_CMD_FLAG_FUA) !== 0;
    } else if (op === 'read') {
      if (this.#agreement.style === 'simple') return;
      record.takesHoles = (commandFlags & NBD_CMD_FLAG_DF) === 0;
      record.extentsMax = READ_EXTENTS_MAX;
    } else if (op === 'extents') {
      this.#extentsInUse++;
      record.extentsMax = (commandFlags & NBD_CMD_FLAG_REQ_ONE) !== 0 ? 1 : EXTENTS_PER_REPLY_MAX;
    }
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
  #refuse(record: RequestRecord, header: RequestHeader, { error, text }: Refusal): void {
    const { payloadBytes } = header;
    record.op = 'flush';
    record.refused = true;
    record.errorValue = error;
    record.errorText = text;
    if (this.#host.log.verbose) {
      const { type, commandFlags, offsetBytes, lengthBytes } = header;
      this.#host.log.debug(
        `${this.#host.name}: refused (${text}): type ${type} ` +
          `flags ${commandFlags} offset ${offsetBytes} length ${lengthBytes}`,
      );
    }
    if (payloadBytes > PASS_OVER_BYTES_MAX) {
      this.#records.giveBack(record);
      this.#host.fail(`a payload of ${payloadBytes} bytes`);
    } else if (payloadBytes > 0) {
      this.#writing = record;
      this.#host.receiver.passOver(payloadBytes);
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
