// The handshake phase (proto.md, "Handshake"), server side, without I/O: bytes go in by receive(),
// bytes to send come out of takeOutput(), `stage` says where we are. The bytes may be cut anywhere.
// The rule: nothing a client sends makes this hold more than one option of OPTION_BYTES_MAX.
//
//   stage          needs                    then
//   client-flags   4 bytes                  option-header, or closed (unknown flags)
//   option-header  16 bytes                 option-data, or closed (bad magic, too many options)
//   option-data    the option's length      option-header, transmission or closed
//   option-skip    the option's length      option-header (what is too long is passed over)
//   upgrade        secured() to be called   option-header
//   lookup         `found` to resolve       option-header, transmission or closed
//   transmission   nothing: `chosen` is set, what follows are requests
//   closed         nothing: send the output, then close; `reason` says why
import { invariant } from '../base/errors.js';
import { OPTION_BYTES_MAX, OPTIONS_MAX } from '../base/limits.js';
import {
  CLIENT_FLAGS_BYTES,
  NBD_FLAG_C_FIXED_NEWSTYLE,
  NBD_FLAG_C_NO_ZEROES,
  NBD_OPT_ABORT,
  NBD_OPT_EXPORT_NAME,
  NBD_OPT_GO,
  NBD_OPT_INFO,
  NBD_OPT_LIST,
  NBD_OPT_STARTTLS,
  NBD_OPTION_MAGIC_HIGH,
  NBD_OPTION_MAGIC_LOW,
  NBD_REP_ACK,
  NBD_REP_ERR_INVALID,
  NBD_REP_ERR_POLICY,
  NBD_REP_ERR_SHUTDOWN,
  NBD_REP_ERR_TLS_REQD,
  NBD_REP_ERR_TOO_BIG,
  NBD_REP_ERR_UNKNOWN,
  NBD_REP_ERR_UNSUP,
  OPTION_HEADER_BYTES,
} from './constants.js';
import type { Found, NbdExport, NbdExports } from './export.js';
import { decodeInfo, decodeString } from './option-data.js';
import {
  exportNameReply,
  greeting,
  infoReplies,
  optionReply,
  serverReply,
} from './option-reply.js';

export type HandshakeStage =
  | 'client-flags'
  | 'option-header'
  | 'option-data'
  | 'option-skip'
  | 'upgrade'
  | 'lookup'
  | 'transmission'
  | 'closed';

/** Stages in which nothing is received here. */
const BEYOND_OPTIONS: ReadonlySet<HandshakeStage> = new Set([
  'upgrade',
  'lookup',
  'transmission',
  'closed',
]);

/** What a connection has of TLS (proto.md, "Server-side requirements"): NOTLS, ..., FORCEDTLS. */
export interface TlsPolicy {
  readonly mode: 'off' | 'on' | 'require';
  /** The client has come through TLS already. */
  readonly isSecure: boolean;
}

const TLS_FIRST = 'TLS is required: NBD_OPT_STARTTLS first';
const NO_TLS: TlsPolicy = { mode: 'off', isSecure: false };

/** One client's handshake. */
export class Handshake<Export extends NbdExport> {
  readonly #exports: NbdExports<Export>;
  readonly #tls: TlsPolicy['mode'];
  #isSecure: boolean;
  #stage: HandshakeStage = 'client-flags';
  #chosen: Export | undefined;
  #found: Promise<void> | undefined;
  #reason = '';
  #output: Buffer[] = [greeting()];
  /** What the stage needs, and how much of it is here; option-skip only counts. */
  #needed = Buffer.alloc(CLIENT_FLAGS_BYTES);
  #have = 0;
  #skipBytes = 0;
  #option = 0;
  #optionCount = 0;
  #fixed = false;
  #noZeroes = false;
  #shuttingDown = false;

  constructor(exports: NbdExports<Export>, tls = NO_TLS) {
    this.#exports = exports;
    this.#tls = tls.mode;
    this.#isSecure = tls.isSecure;
  }

  get stage(): HandshakeStage {
    return this.#stage;
  }

  /** The export the client chose; set when `stage` is transmission. */
  get chosen(): Export | undefined {
    return this.#chosen;
  }

  /** Resolves when the stage `lookup` is over: there may be output then, and a new stage. */
  get found(): Promise<void> | undefined {
    return this.#found;
  }

  /** Why `stage` is closed, for the log; "" if the client just said goodbye. */
  get reason(): string {
    return this.#reason;
  }

  /** From now on options other than ABORT are answered with NBD_REP_ERR_SHUTDOWN. */
  shutDown(): void {
    this.#shuttingDown = true;
  }

  /**
   * The stage `upgrade` is over: the client's next bytes come through TLS. Nothing that was
   * negotiated before is kept; no byte that came in the clear behind NBD_OPT_STARTTLS may be given
   * to receive() any more.
   */
  secured(): void {
    invariant(this.#stage === 'upgrade', 'TLS begins where the client asked for it');
    this.#isSecure = true;
    this.#expect('option-header', OPTION_HEADER_BYTES);
  }

  /** What is to be sent now; the greeting at first. */
  takeOutput(): Buffer {
    const output = Buffer.concat(this.#output);
    this.#output = [];
    return output;
  }

  /**
   * Takes bytes from the client, in the order received.
   * @returns how many were used: all, unless `stage` became one in which nothing is received.
   */
  receive(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length && !BEYOND_OPTIONS.has(this.#stage)) {
      const left = bytes.length - at;
      if (this.#stage === 'option-skip') {
        const skipped = Math.min(left, this.#skipBytes);
        this.#skipBytes -= skipped;
        at += skipped;
        if (this.#skipBytes === 0) this.#tooBig();
        continue;
      }
      const copied = bytes.copy(this.#needed, this.#have, at);
      this.#have += copied;
      at += copied;
      if (this.#have === this.#needed.length) this.#advance(this.#needed);
    }
    return at;
  }

  #expect(stage: HandshakeStage, lengthBytes: number): void {
    this.#stage = stage;
    this.#needed = Buffer.alloc(lengthBytes);
    this.#have = 0;
  }

  #close(reason: string): void {
    this.#stage = 'closed';
    this.#reason = reason;
  }

  #advance(bytes: Buffer): void {
    if (this.#stage === 'client-flags') this.#clientFlags(bytes.readUInt32BE(0));
    else if (this.#stage === 'option-header') this.#optionHeader(bytes);
    else this.#optionData(bytes);
  }

  #clientFlags(flags: number): void {
    // >>> 0: bit 31 of a client's flags must not make the number negative.
    if ((flags & ~(NBD_FLAG_C_FIXED_NEWSTYLE | NBD_FLAG_C_NO_ZEROES)) >>> 0 !== 0) {
      this.#close(`unknown client flags 0x${flags.toString(16)}`);
      return;
    }
    this.#fixed = (flags & NBD_FLAG_C_FIXED_NEWSTYLE) !== 0;
    this.#noZeroes = (flags & NBD_FLAG_C_NO_ZEROES) !== 0;
    this.#expect('option-header', OPTION_HEADER_BYTES);
  }

  #optionHeader(header: Buffer): void {
    const magicFits =
      header.readUInt32BE(0) === NBD_OPTION_MAGIC_HIGH &&
      header.readUInt32BE(4) === NBD_OPTION_MAGIC_LOW;
    this.#option = header.readUInt32BE(8);
    const lengthBytes = header.readUInt32BE(12);
    this.#optionCount++;
    if (!magicFits) {
      this.#close('bad option magic');
    } else if (this.#optionCount > OPTIONS_MAX) {
      this.#close(`more than ${OPTIONS_MAX} options`);
    } else if (this.#option !== NBD_OPT_EXPORT_NAME && !this.#fixed) {
      this.#close(`option ${this.#option} without fixed newstyle`);
    } else if (lengthBytes <= OPTION_BYTES_MAX) {
      this.#expect('option-data', lengthBytes);
      if (lengthBytes === 0) this.#optionData(this.#needed);
    } else if (this.#option === NBD_OPT_EXPORT_NAME) {
      this.#close('export name too long');
    } else {
      this.#stage = 'option-skip';
      this.#skipBytes = lengthBytes;
    }
  }

  #reply(type: number, data?: Buffer): void {
    this.#output.push(optionReply(this.#option, type, data));
  }

  #error(type: number, text: string): void {
    this.#reply(type, Buffer.from(text));
  }

  #tooBig(): void {
    if (this.#needsTls) this.#error(NBD_REP_ERR_TLS_REQD, TLS_FIRST);
    else this.#error(NBD_REP_ERR_TOO_BIG, 'option data too long');
    this.#expect('option-header', OPTION_HEADER_BYTES);
  }

  /** Answers a whole option; the next option's header follows unless the answer ends it all. */
  #optionData(data: Buffer): void {
    this.#expect('option-header', OPTION_HEADER_BYTES);
    if (this.#option === NBD_OPT_ABORT) {
      this.#reply(NBD_REP_ACK);
      this.#close('');
    } else if (this.#option === NBD_OPT_EXPORT_NAME) {
      this.#exportName(data);
    } else if (this.#option === NBD_OPT_STARTTLS) {
      this.#startTls(data);
    } else if (this.#needsTls) {
      this.#error(NBD_REP_ERR_TLS_REQD, TLS_FIRST);
    } else if (this.#shuttingDown) {
      this.#error(NBD_REP_ERR_SHUTDOWN, 'the server is shutting down');
    } else {
      this.#haggle(data);
    }
  }

  #haggle(data: Buffer): void {
    switch (this.#option) {
      case NBD_OPT_LIST:
        this.#list(data);
        break;
      case NBD_OPT_INFO:
      case NBD_OPT_GO:
        this.#info(data);
        break;
      default:
        this.#error(NBD_REP_ERR_UNSUP, 'option not supported');
    }
  }

  /** Whether nothing may be said before NBD_OPT_STARTTLS (proto.md, "FORCEDTLS mode"). */
  get #needsTls(): boolean {
    return this.#tls === 'require' && !this.#isSecure;
  }

  #startTls(data: Buffer): void {
    if (data.length > 0) {
      this.#error(NBD_REP_ERR_INVALID, 'NBD_OPT_STARTTLS takes no data');
    } else if (this.#isSecure) {
      this.#error(NBD_REP_ERR_INVALID, 'the connection is secure already');
    } else if (this.#tls === 'off') {
      this.#error(NBD_REP_ERR_POLICY, 'TLS is not set up on this server');
    } else {
      this.#reply(NBD_REP_ACK);
      this.#stage = 'upgrade';
    }
  }

  /** Looks `name` up and goes on with what it leads to. Nothing is received until then. */
  #find(name: string, goOn: (found: Found<Export>) => void): void {
    const found = this.#exports.lookup(name);
    if (!(found instanceof Promise)) {
      goOn(found);
      return;
    }
    this.#stage = 'lookup';
    this.#found = found.then((target) => {
      this.#found = undefined;
      this.#expect('option-header', OPTION_HEADER_BYTES);
      goOn(target);
    });
  }

  #exportName(data: Buffer): void {
    if (this.#needsTls) {
      this.#close('a client without TLS, which is required');
      return;
    }
    const name = decodeString(data);
    if (name === undefined) {
      this.#close('malformed export name');
      return;
    }
    this.#find(name, (target) => {
      if (this.#shuttingDown) {
        this.#close('the server is shutting down');
      } else if (typeof target === 'string') {
        this.#close(target);
      } else {
        this.#output.push(exportNameReply(target, this.#noZeroes));
        this.#transmit(target);
      }
    });
  }

  #list(data: Buffer): void {
    if (data.length > 0) {
      this.#error(NBD_REP_ERR_INVALID, 'NBD_OPT_LIST takes no data');
      return;
    }
    for (const target of this.#exports.list()) {
      this.#output.push(serverReply(this.#option, target));
    }
    this.#reply(NBD_REP_ACK);
  }

  #info(data: Buffer): void {
    const wanted = decodeInfo(data);
    if (wanted === undefined) {
      this.#error(NBD_REP_ERR_INVALID, 'malformed option data');
      return;
    }
    this.#find(wanted.name, (target) => {
      if (this.#shuttingDown) {
        this.#error(NBD_REP_ERR_SHUTDOWN, 'the server is shutting down');
      } else if (typeof target === 'string') {
        this.#error(NBD_REP_ERR_UNKNOWN, target);
      } else {
        this.#output.push(...infoReplies(this.#option, target, wanted.asked));
        this.#reply(NBD_REP_ACK);
        if (this.#option === NBD_OPT_GO) this.#transmit(target);
      }
    });
  }

  #transmit(target: Export): void {
    this.#chosen = target;
    this.#stage = 'transmission';
  }
}
