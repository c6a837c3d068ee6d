// The sending half of a connection: replies wait in a queue and leave in batches, each one writev.
// One batch is under way at a time. A batch ends with the turn of the event loop, at BATCH_BYTES,
// or with the staging buffer. Headers and short payloads are copied into the staging buffer, long
// payloads are sent from the disk's memory, which is given back when their batch has left.
// The rule: a request is `done` exactly once, whatever becomes of its reply.
import type { Socket } from 'node:net';
import { invariant } from '../base/errors.js';
import { CONNECTION_REPLY_BYTES_MAX, CONNECTION_REQUESTS_MAX } from '../base/limits.js';
import { NBD_SUCCESS, SIMPLE_REPLY_BYTES } from '../nbd/constants.js';
import { writeSimpleReply } from '../nbd/reply.js';
import type { RequestRecord } from './request-record.js';

/** Payloads up to this are copied behind their header: cheaper than a buffer of their own. */
const COPY_BYTES_MAX = 16 * 1024;
/** Headers and short payloads of one batch: 32 replies of 4 KiB. */
const STAGING_BYTES = 32 * (SIMPLE_REPLY_BYTES + 4096);
/** A batch that has this much takes no further reply, so that memory comes back soon. */
const BATCH_BYTES = 512 * 1024;

// Replies without payload wait as records, and there are no more records than this.
invariant(
  CONNECTION_REQUESTS_MAX * SIMPLE_REPLY_BYTES <= CONNECTION_REPLY_BYTES_MAX &&
    COPY_BYTES_MAX + SIMPLE_REPLY_BYTES <= STAGING_BYTES,
  'unsent replies are bounded, and one always fits the staging buffer',
);

/** Staging buffers that no connection is using just now: kept warm, but only so many. */
const idleStaging: Buffer[] = [];
const IDLE_STAGING_MAX = 16;

export interface SendSink {
  /** The reply has left, or will never leave. */
  done(record: RequestRecord): void;
  /** All replies that were queued have left. */
  drained(): void;
}

export class Sender {
  readonly #sink: SendSink;
  readonly #socket: Socket;
  /** Records from #queueAt on wait for a batch. */
  #queue: RequestRecord[] = [];
  #queueAt = 0;
  /** Records whose memory the batch under way is sent from. */
  readonly #held: RequestRecord[] = [];
  readonly #chunks: Buffer[] = [];
  #staging: Buffer | undefined;
  #stagedBytes = 0;
  #batchFromBytes = 0;
  #sending = false;
  #scheduled = false;
  #stopped = false;
  /** Batches that have left so far: a measure of progress. */
  batchCount = 0;

  constructor(socket: Socket, sink: SendSink) {
    this.#socket = socket;
    this.#sink = sink;
  }

  /** Whether replies wait or are under way. */
  get busy(): boolean {
    return this.#sending || this.#queueAt < this.#queue.length;
  }

  /** Sends the reply to `record`, whose result is final, with the others of this turn. */
  reply(record: RequestRecord): void {
    if (this.#stopped) {
      this.#sink.done(record);
      return;
    }
    this.#queue.push(record);
    if (this.#scheduled || this.#sending) return;
    this.#scheduled = true;
    process.nextTick(this.#flush);
  }

  /** The socket is closed: nothing leaves any more. */
  stop(): void {
    this.#stopped = true;
    const records = this.#held.splice(0).concat(this.#queue.splice(0).slice(this.#queueAt));
    this.#queueAt = 0;
    this.#returnStaging();
    for (const record of records) this.#sink.done(record);
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    if (this.#stopped || this.#sending) return;
    let batchBytes = 0;
    while (this.#queueAt < this.#queue.length && batchBytes < BATCH_BYTES) {
      const record = this.#queue[this.#queueAt];
      if (record === undefined) break;
      const taken = this.#stage(record);
      if (taken === 0) break;
      batchBytes += taken;
      this.#queueAt++;
    }
    if (this.#queueAt === this.#queue.length) {
      this.#queue.length = this.#queueAt = 0;
    } else if (this.#queueAt >= CONNECTION_REQUESTS_MAX) {
      this.#queue = this.#queue.slice(this.#queueAt);
      this.#queueAt = 0;
    }
    if (batchBytes > 0) this.#write();
  };

  /** Adds a reply to the batch; returns its length, or 0 if it does not fit. */
  #stage(record: RequestRecord): number {
    const withPayload = record.op === 'read' && record.errorValue === NBD_SUCCESS;
    const payloadBytes = withPayload ? record.lengthBytes : 0;
    const copied = payloadBytes <= COPY_BYTES_MAX;
    const staging = (this.#staging ??= idleStaging.pop() ?? Buffer.allocUnsafeSlow(STAGING_BYTES));
    const needed = SIMPLE_REPLY_BYTES + (copied ? payloadBytes : 0);
    if (this.#stagedBytes + needed > staging.length) return 0;
    const { errorValue, cookieHigh, cookieLow } = record;
    writeSimpleReply(staging, this.#stagedBytes, errorValue, cookieHigh, cookieLow);
    this.#stagedBytes += SIMPLE_REPLY_BYTES;
    if (!copied) {
      this.#cutStaged(staging);
      this.#chunks.push(...record.pieces);
      this.#held.push(record);
      return needed + payloadBytes;
    }
    if (withPayload) {
      for (const piece of record.pieces) {
        this.#stagedBytes += piece.copy(staging, this.#stagedBytes);
      }
    }
    this.#sink.done(record);
    return needed;
  }

  /** Ends the chunk of staged bytes that is being filled. */
  #cutStaged(staging: Buffer): void {
    if (this.#batchFromBytes === this.#stagedBytes) return;
    this.#chunks.push(staging.subarray(this.#batchFromBytes, this.#stagedBytes));
    this.#batchFromBytes = this.#stagedBytes;
  }

  #write(): void {
    if (this.#staging !== undefined) this.#cutStaged(this.#staging);
    const last = this.#chunks.pop();
    invariant(last !== undefined, 'a batch is not empty');
    this.#sending = true;
    this.#socket.cork();
    for (const chunk of this.#chunks) this.#socket.write(chunk);
    this.#socket.write(last, this.#sent);
    this.#socket.uncork();
    this.#chunks.length = 0;
  }

  /** A batch has left. After an error the socket closes, and stop() cleans up. */
  readonly #sent = (error?: Error | null): void => {
    if (error || this.#stopped) return;
    this.#sending = false;
    this.batchCount++;
    if (this.#queueAt === this.#queue.length) this.#returnStaging();
    this.#stagedBytes = this.#batchFromBytes = 0;
    const held = this.#held.splice(0);
    for (const record of held) this.#sink.done(record);
    this.#flush();
    if (!this.busy) this.#sink.drained();
  };

  #returnStaging(): void {
    if (this.#staging !== undefined && idleStaging.length < IDLE_STAGING_MAX) {
      idleStaging.push(this.#staging);
    }
    this.#staging = undefined;
    this.#stagedBytes = this.#batchFromBytes = 0;
  }
}
