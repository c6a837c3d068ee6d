// The sending half of a connection: replies wait in a queue and leave in batches, each one writev.
// One batch is under way at a time. It ends with the turn of the event loop, at BATCH_BYTES, or
// with the staging buffer; the memory that it is sent from is given back when it has left. A batch
// is sent at once if the socket allows it; what the kernel does not take goes by the stream.
// The rule: a request is `done` exactly once, whatever becomes of its reply.
import type { Writable } from 'node:stream';
import { invariant } from '../base/errors.js';
import { CONNECTION_REQUESTS_MAX } from '../base/limits.js';
import { empty } from '../base/lists.js';
import { sendAllNow } from '../base/sockets.js';
import type { HeaderStyle } from '../nbd/agreement.js';
import type { ChunkWriter } from '../nbd/reply.js';
import { Batch } from './batch.js';
import type { RequestRecord } from './request-record.js';
import { extended, stageChunks, stageSimple, structured } from './stage.js';

/** A batch that has this much takes no further reply, so that memory comes back soon. */
const BATCH_BYTES = 512 * 1024;

export interface SendSink {
  /** The reply has left, or will never leave. */
  done(record: RequestRecord): void;
  /** All replies that were queued have left. */
  drained(): void;
}

export class Sender {
  readonly #sink: SendSink;
  readonly #socket: Writable;
  readonly #sendsNow: boolean;
  /** Undefined: all replies are simple. */
  readonly #chunks: ChunkWriter | undefined;
  readonly #batch = new Batch();
  /** Records from #queueAt on wait for a batch. */
  #queue: RequestRecord[] = [];
  #queueAt = 0;
  #sending = false;
  #scheduled = false;
  #stopped = false;
  /** Batches that have left, and bytes given to the socket so far: measures of progress. */
  batchCount = 0;
  queuedBytes = 0;

  constructor(
    { socket, sendsNow }: { socket: Writable; sendsNow: boolean },
    style: HeaderStyle,
    sink: SendSink,
  ) {
    this.#socket = socket;
    this.#sendsNow = sendsNow;
    this.#sink = sink;
    if (style !== 'simple') this.#chunks = style === 'extended' ? extended : structured;
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
    const waiting = this.#queue.splice(0).slice(this.#queueAt);
    const records = this.#batch.held.splice(0).concat(waiting);
    this.#queueAt = 0;
    this.#batch.giveBack();
    for (const record of records) this.#sink.done(record);
  }

  /** Sends what waits, batch after batch, as long as the kernel takes them. */
  readonly #flush = (): void => {
    this.#scheduled = false;
    if (this.#stopped || this.#sending || this.#queueAt === this.#queue.length) return;
    while (this.#fill() && this.#write()) this.#left();
    if (!this.busy) this.#sink.drained();
  };

  /** Stages what fits of the queue; whether that is anything. */
  #fill(): boolean {
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
    this.queuedBytes += batchBytes;
    return batchBytes > 0 && !this.#stopped;
  }

  /** Adds a reply to the batch; returns its length, or 0 if it does not fit. */
  #stage(record: RequestRecord): number {
    const batch = this.#batch;
    const heldCount = batch.held.length;
    const taken =
      this.#chunks === undefined
        ? stageSimple(batch, record)
        : stageChunks(batch, record, this.#chunks);
    if (taken > 0 && batch.held.length === heldCount) this.#sink.done(record);
    return taken;
  }

  /** Sends the batch. False: it is under way, and #sent() will be called. */
  #write(): boolean {
    const { chunks } = this.#batch;
    this.#batch.cut();
    let sentBytes = this.#sendsNow ? sendAllNow(this.#socket, chunks) : 0;
    let at = 0;
    for (; at < chunks.length; at++) {
      const length = chunks[at]?.length ?? 0;
      if (sentBytes < length) break;
      sentBytes -= length;
    }
    if (at < chunks.length) this.#writeRest(chunks, at, sentBytes);
    empty(chunks);
    return !this.#sending;
  }

  /** Gives the stream the chunks from `at` on, the first one without `sentBytes` bytes. */
  #writeRest(chunks: readonly Buffer[], at: number, sentBytes: number): void {
    this.#sending = true;
    this.#socket.cork();
    for (let index = at; index < chunks.length; index++) {
      const chunk = chunks[index];
      invariant(chunk !== undefined, 'a batch has no gaps');
      const rest = index === at && sentBytes > 0 ? chunk.subarray(sentBytes) : chunk;
      if (index === chunks.length - 1) this.#socket.write(rest, this.#sent);
      else this.#socket.write(rest);
    }
    this.#socket.uncork();
  }

  /** The batch has left: its memory is given back. */
  #left(): void {
    this.batchCount++;
    if (this.#queueAt === this.#queue.length) this.#batch.giveBack();
    else this.#batch.reset();
    if (this.#batch.held.length === 0) return;
    const held = this.#batch.held.splice(0);
    for (const record of held) this.#sink.done(record);
  }

  /** The stream has sent the rest. After an error the socket closes, and stop() cleans up. */
  readonly #sent = (error?: Error | null): void => {
    if (error || this.#stopped) return;
    this.#sending = false;
    this.#left();
    if (this.#scheduled) return;
    if (this.busy) this.#flush();
    else this.#sink.drained();
  };
}
