// The host's end of the control stream of one helper: calls, batches of I/O requests, answers,
// events. Takes a Duplex, not a process; live-helper.ts joins the two. The rules: whatever is wrong
// ends in one place, close(), and nothing is delivered after it.
import type { Duplex } from 'node:stream';
import { VddkNbdError, invariant } from '../base/errors.js';
import { Expectation } from '../base/expectation.js';
import {
  AWAKE_REQUEST_BYTES_MAX,
  FEW_REQUESTS_MAX,
  FRAME_REQUESTS_MAX,
  SECTOR_BYTES,
} from '../base/limits.js';
import { canMoveSocket, moveSocket, sendNow } from '../base/sockets.js';
import {
  checkDone,
  decodeCallError,
  decodeCallResult,
  decodeEvent,
  decodeResult,
  decodeVersion,
  messageKind,
} from './decode.js';
import {
  FrameDecoder,
  type MessageSink,
  ProtocolError,
  encodeFrame,
  wireInteger,
} from './frame.js';
import type { HelperIo, HelperListener } from './helper.js';
import { type Ids, InFlight } from './in-flight.js';
import { DoneReader, IoFrame } from './io-frames.js';
import {
  CALL_OPS,
  DONE_STRIDE,
  KIND_CALL,
  KIND_DONE,
  KIND_EVENT,
  KIND_RESULT,
  PROTOCOL_VERSION,
  type CallOp,
  type Calls,
} from './protocol.js';

export interface ClientOptions {
  ids: Ids;
  listener: HelperListener;
  /** The helper broke the protocol: it is to be killed. */
  onBroken: (reason: string) => void;
  /** The stream has ended or failed, as it does when a process dies. Called once. */
  onLost: (reason: string) => void;
  /** Of the answers to a few requests under way. */
  answer?: Expectation;
}

/** One read of the control stream: the answers to as many requests as a frame may have. */
const RECEIVE_BYTES = 64 * 1024;

interface PendingCall {
  op: CallOp;
  resolve: (result: never) => void;
  reject: (error: Error) => void;
}

export class HelperClient {
  readonly #ids: Ids;
  readonly #listener: HelperListener;
  readonly #onBroken: (reason: string) => void;
  readonly #onLost: (reason: string) => void;
  readonly #decoder = new FrameDecoder();
  readonly #inFlight: InFlight;
  readonly #unsent: HelperIo[] = [];
  readonly #calls = new Map<number, PendingCall>();
  /** The IO message of this turn, the first id in it, and the DONE messages of the helper. */
  readonly #batch = new IoFrame();
  #unsentFromId = Infinity;
  readonly #doneReader = new DoneReader();
  /** Undefined until attach(): then what was to be sent waits in #early. */
  #control: Duplex | undefined = undefined;
  readonly #answer: Expectation;
  #lastSectors = 0;
  /** Whether `#control` is a socket that bytes may be sent past of. */
  #sendsNow = false;
  #early: { frame: Buffer; whenSent: (() => void) | undefined }[] = [];
  #flushQueued = false;
  #inputEnded = false;
  #isLost = false;
  #closedBecause: string | undefined = undefined;

  constructor(options: ClientOptions) {
    this.#ids = options.ids;
    this.#listener = options.listener;
    this.#onBroken = options.onBroken;
    this.#onLost = options.onLost;
    this.#answer = options.answer ?? new Expectation();
    this.#inFlight = new InFlight(options.ids);
  }

  /**
   * The helper's control stream is there, of which nothing was read. Everything sent until now
   * leaves. Returns the stream that is to be used instead of it.
   */
  attach(stream: Duplex): Duplex {
    invariant(this.#control === undefined, 'a client has one control stream');
    const control = this.#adopt(stream);
    this.#control = control;
    control.on('error', (error) => {
      this.#lost(`lost its control stream: ${error.message}`);
    });
    if (this.#closedBecause !== undefined) {
      control.destroy();
      return control;
    }
    control.on('end', this.#ended);
    for (const { frame, whenSent } of this.#early) control.write(frame, whenSent);
    this.#early = [];
    if (this.#inputEnded) control.end();
    return control;
  }

  /** Sees to it that what `stream` brings is received, in memory of our own if that can be. */
  #adopt(stream: Duplex): Duplex {
    this.#sendsNow = canMoveSocket(stream);
    if (this.#sendsNow) {
      const next = Buffer.allocUnsafeSlow(RECEIVE_BYTES);
      const landed = (byteCount: number): void => {
        this.#receive(next, byteCount);
      };
      return moveSocket(stream, { next, landed }, false);
    }
    return stream.on('data', (chunk: Buffer) => {
      this.#receive(chunk, chunk.length);
    });
  }

  /** See Helper.call(). */
  call<Op extends CallOp>(op: Op, params: Calls[Op]['params']): Promise<Calls[Op]['result']> {
    if (this.#isMute) return Promise.reject(this.#endError(op));
    invariant(op === 'PING' || !this.#isCalling(), 'calls are made one at a time');
    const id = this.#ids.take();
    const frame = encodeFrame([
      KIND_CALL,
      wireInteger(id),
      CALL_OPS[op],
      wireParams(op === 'HELLO' ? { version: PROTOCOL_VERSION, ...params } : params),
    ]);
    this.#flush();
    // It may hold a password.
    this.#write(frame, () => frame.fill(0));
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { op, resolve, reject });
    });
  }

  /** See Helper.io(). After the end of the stream `io` is only kept for takeUnsent(). */
  io(io: HelperIo): void {
    if (this.#isMute || this.#isLost) {
      this.#unsent.push(io);
      return;
    }
    const id = this.#inFlight.add(io);
    if (this.#batch.requestCount === 0) this.#unsentFromId = id;
    this.#batch.add(id, io);
    this.#lastSectors = io.nrSectors;
    if (this.#batch.requestCount === FRAME_REQUESTS_MAX) this.#flush();
    else if (!this.#flushQueued) {
      this.#flushQueued = true;
      // With many under way those of all clients leave together, and behind the replies of this
      // turn: the client is at work again when the helper is woken.
      if (this.#inFlight.count > FEW_REQUESTS_MAX) setImmediate(this.#flush);
      else process.nextTick(this.#flush);
    }
  }

  /** See Helper.endInput(). */
  endInput(): void {
    if (this.#isMute) return;
    this.#flush();
    this.#inputEnded = true;
    this.#control?.end();
  }

  /** See Helper.takeInFlight(). */
  takeInFlight(): HelperIo[] {
    return this.#inFlight.takeAll();
  }

  /** See Helper.takeUnsent(). */
  takeUnsent(): HelperIo[] {
    return this.#unsent.splice(0);
  }

  /** Nothing is delivered from now on. Calls are rejected; `reason` ends "the helper ...". */
  close(reason: string): void {
    if (this.#closedBecause !== undefined) return;
    this.#closedBecause = reason;
    for (const { whenSent } of this.#early) whenSent?.();
    this.#early = [];
    this.#control?.off('end', this.#ended).destroy();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { op, reject } of calls) reject(this.#endError(op));
  }

  /** Nothing can be sent any more. */
  get #isMute(): boolean {
    return this.#inputEnded || this.#closedBecause !== undefined;
  }

  #isCalling(): boolean {
    for (const { op } of this.#calls.values()) if (op !== 'PING') return true;
    return false;
  }

  #endError(op: CallOp): VddkNbdError {
    const reason = this.#closedBecause ?? 'is told to end';
    return new VddkNbdError('HELPER', `${op} failed: the helper ${reason}`);
  }

  /** Sends the batch. Also a callback of the event loop. */
  readonly #flush = (): void => {
    this.#flushQueued = false;
    const batch = this.#batch;
    if (batch.requestCount === 0) return;
    if (!this.#isMute) {
      const { bytes, end } = batch;
      const control = this.#control;
      let start = batch.close();
      if (this.#sendsNow && control) start += sendNow(control, bytes, start, end);
      // The batch is used again: what waits is a copy.
      if (start < end) this.#write(Buffer.from(bytes.subarray(start, end)));
      if (this.#inFlight.count <= FEW_REQUESTS_MAX) this.#expectAnswer();
    }
    batch.clear();
    this.#unsentFromId = Infinity;
  };

  /** Requests have left, and they are few. */
  #expectAnswer(): void {
    const bytes = this.#lastSectors * SECTOR_BYTES;
    // A flush takes its time.
    if (bytes > 0 && bytes <= AWAKE_REQUEST_BYTES_MAX) this.#answer.begin();
  }

  /** What waits in the stream is bounded by the memory and the requests that callers may have. */
  #write(frame: Buffer, whenSent?: () => void): void {
    if (this.#control === undefined) this.#early.push({ frame, whenSent });
    else this.#control.write(frame, whenSent);
  }

  #receive(chunk: Buffer, byteCount: number): void {
    if (this.#closedBecause !== undefined) return;
    try {
      this.#decoder.push(chunk, byteCount, this.#sink);
    } catch (thrown) {
      if (!(thrown instanceof ProtocolError)) throw thrown;
      this.#onBroken(`broke the protocol: ${thrown.message}`);
    }
  }

  readonly #ended = (): void => {
    const where = this.#decoder.isInsideFrame ? ' inside a frame' : '';
    this.#lost(`ended its control stream${where}`);
  };

  #lost(reason: string): void {
    if (this.#isLost || this.#closedBecause !== undefined) return;
    this.#isLost = true;
    this.#onLost(reason);
  }

  /** Takes messages; returns false once the client is closed. */
  readonly #sink: MessageSink = {
    body: (bytes, start, end) => {
      const reader = this.#doneReader;
      if (!reader.read(bytes, start, end)) return undefined;
      this.#done(reader.answers, 0, reader.count);
      return this.#closedBecause === undefined;
    },
    message: (body) => {
      switch (messageKind(body)) {
        case KIND_DONE:
          checkDone(body);
          this.#done(body, 1, body.length);
          break;
        case KIND_RESULT:
          this.#result(body);
          break;
        case KIND_EVENT:
          this.#listener.event(decodeEvent(body));
          break;
      }
      return this.#closedBecause === undefined;
    },
  };

  /** Answers: id, vixError, id, vixError, ... from `from` up to `end`. */
  #done(answers: ArrayLike<number>, from: number, end: number): void {
    this.#answer.came();
    for (let index = from; index < end; index += DONE_STRIDE) {
      const id = answers[index] ?? 0;
      const io = id < this.#unsentFromId ? this.#inFlight.take(id) : undefined;
      if (io === undefined)
        throw new ProtocolError('an answer to an I/O request that is not there');
      io.done(answers[index + 1] ?? 0);
      // done() may have led to a verdict.
      if (this.#closedBecause !== undefined) return;
    }
  }

  #result(body: unknown): void {
    const result = decodeResult(body);
    const call = this.#calls.get(result.id);
    if (call === undefined) throw new ProtocolError('an answer to a call that is not there');
    if (result.vixError !== 0) {
      const error = decodeCallError(result);
      this.#calls.delete(result.id);
      call.reject(error);
      return;
    }
    if (call.op === 'HELLO') checkVersion(decodeVersion(result.fields));
    const value = decodeCallResult[call.op](result.fields);
    this.#calls.delete(result.id);
    call.resolve(value as never);
  }
}

function checkVersion(version: number): void {
  if (version === PROTOCOL_VERSION) return;
  throw new ProtocolError(
    `it speaks version ${version}, this program version ${PROTOCOL_VERSION} (run make)`,
  );
}

/** Parameters of a call as msgpackr must be given them. */
function wireParams(params: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(params).map(([key, value]: [string, unknown]) => [
      key,
      typeof value === 'number' ? wireInteger(value) : value,
    ]),
  );
}
