// The sending half of a connection: replies wait in a queue and leave in batches, each one writev.
// One batch is under way at a time. It ends with the turn of the event loop, at BATCH_BYTES, or
// with the staging buffer; the memory that it is sent from is given back when it has left.
// The rule: a request is `done` exactly once, whatever becomes of its reply.
import type { Writable } from 'node:stream';
import { invariant } from '../base/errors.js';
import { CONNECTION_REQUESTS_MAX } from '../base/limits.js';
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
  /** Undefined: all replies are simple. */
  readonly #chunks: ChunkWriter | undefined;
  readonly #batch = new Batch();
  /** Records from #queueAt on wait for a batch. */
  #queue: RequestRecord[] = [];
  #queueAt = 0;
  #sending = false;
  #scheduled = false;
  #stopped = false;
  /** Batches that have left so far: a measure of progress. */
  batchCount = 0;

  constructor(socket: Writable, style: HeaderStyle, sink: SendSink) {
    this.#socket = socket;
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
    const batch = this.#batch;
    const heldCount = batch.held.length;
    const taken =
      this.#chunks === undefined
        ? stageSimple(batch, record)
        : stageChunks(batch, record, this.#chunks);
    if (taken > 0 && batch.held.length === heldCount) this.#sink.done(record);
    return taken;
  }

  #write(): void {
    const { chunks } = this.#batch;
    this.#batch.cut();
    const last = chunks.pop();
    invariant(last !== undefined, 'a batch is not empty');
    this.#sending = true;
    this.#socket.cork();
    for (const chunk of chunks) this.#socket.write(chunk);
    this.#socket.write(last, this.#sent);
    this.#socket.uncork();
    chunks.length = 0;
  }

  /** A batch has left. After an error the socket closes, and stop() cleans up. */
  readonly #sent = (error?: Error | null): void => {
    if (error || this.#stopped) return;
    this.#sending = false;
    this.batchCount++;
    if (this.#queueAt === this.#queue.length) this.#batch.giveBack();
    else this.#batch.reset();
    const held = this.#batch.held.splice(0);
    for (const record of held) this.#sink.done(record);
    this.#flush();
    if (!this.busy) this.#sink.drained();
  };
}
