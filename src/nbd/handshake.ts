// The handshake phase (proto.md, "Handshake"), server side, without I/O: bytes go in by receive(),
// bytes to send come out of takeOutput(), `stage` says where we are. The bytes may be cut anywhere.
// The rule: nothing a client sends makes this hold more than one option of OPTION_BYTES_MAX, and
// answers of HANDSHAKE_REPLY_BYTES_MAX and one more.
//
//   stage          needs                    then
//   client-flags   4 bytes                  option-header, or closed (unknown flags)
//   option-header  16 bytes                 option-data, or closed (bad magic, too many options)
//   option-data    the option's length      option-header, transmission or closed
//   option-skip    the option's length      option-header (what is too long is passed over)
//   upgrade        secured() to be called   option-header
//   lookup         `found` to resolve       option-header, transmission or closed
//   transmission   nothing: `agreement` is set, what follows are requests
//   closed         nothing: send the output, then close; `reason` says why
import { invariant } from '../base/errors.js';
import { OPTION_BYTES_MAX, OPTIONS_MAX } from '../base/limits.js';
import type { Agreement } from './agreement.js';
import {
  CLIENT_FLAGS_BYTES,
  NBD_FLAG_C_FIXED_NEWSTYLE,
  NBD_FLAG_C_NO_ZEROES,
  NBD_OPT_EXPORT_NAME,
  NBD_OPTION_MAGIC_HIGH,
  NBD_OPTION_MAGIC_LOW,
  OPTION_HEADER_BYTES,
} from './constants.js';
import type { NbdExport, NbdExports } from './export.js';
import { Haggling, type HagglingState, type TlsPolicy } from './haggling.js';
import { greeting } from './option-reply.js';

type ByteStage = 'client-flags' | 'option-header' | 'option-data' | 'option-skip' | 'closed';
export type HandshakeStage = ByteStage | Exclude<HagglingState, 'options'>;

const NO_TLS: TlsPolicy = { mode: 'off', isSecure: false };

/** One client's handshake. */
export class Handshake<Export extends NbdExport> {
  readonly #haggling: Haggling<Export>;
  #stage: ByteStage = 'client-flags';
  #reason = '';
  #greeting: Buffer[] = [greeting()];
  /** What the stage needs, and how much of it is here; option-skip only counts. */
  #needed = Buffer.alloc(CLIENT_FLAGS_BYTES);
  #have = 0;
  #skipBytes = 0;
  #option = 0;
  #optionCount = 0;
  #fixed = false;

  constructor(exports: NbdExports<Export>, tls = NO_TLS) {
    this.#haggling = new Haggling(exports, tls);
  }

  get stage(): HandshakeStage {
    const { state } = this.#haggling;
    return state === 'options' ? this.#stage : state;
  }

  /** What the client chose, and how it will speak; set when `stage` is transmission. */
  get agreement(): Agreement<Export> | undefined {
    return this.#haggling.agreement;
  }

  /** Resolves when the stage `lookup` is over: there may be output then, and a new stage. */
  get found(): Promise<void> | undefined {
    return this.#haggling.found;
  }

  /** Why `stage` is closed, for the log; "" if the client just said goodbye. */
  get reason(): string {
    return this.#stage === 'closed' ? this.#reason : this.#haggling.reason;
  }

  /** From now on options other than ABORT are answered with NBD_REP_ERR_SHUTDOWN. */
  shutDown(): void {
    this.#haggling.shuttingDown = true;
  }

  /**
   * The stage `upgrade` is over: the client's next bytes come through TLS. Nothing that was
   * negotiated before is kept; no byte that came in the clear behind NBD_OPT_STARTTLS may be given
   * to receive() any more.
   */
  secured(): void {
    invariant(this.stage === 'upgrade', 'TLS begins where the client asked for it');
    this.#haggling.secured();
  }

  /** What is to be sent now; the greeting at first. */
  takeOutput(): Buffer {
    return Buffer.concat([...this.#greeting.splice(0), ...this.#haggling.takeOutput()]);
  }

  /**
   * Takes bytes from the client, in the order received.
   * @returns how many were used: all, unless `stage` became one in which nothing is received, or
   * takeOutput() must be called first because there is much to be sent.
   */
  receive(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length && this.#takesBytes) {
      const left = bytes.length - at;
      if (this.#stage === 'option-skip') {
        const skipped = Math.min(left, this.#skipBytes);
        this.#skipBytes -= skipped;
        at += skipped;
        if (this.#skipBytes === 0) this.#skipped();
        continue;
      }
      const copied = bytes.copy(this.#needed, this.#have, at);
      this.#have += copied;
      at += copied;
      if (this.#have === this.#needed.length) this.#advance(this.#needed);
    }
    return at;
  }

  get #takesBytes(): boolean {
    const { mustSend, state } = this.#haggling;
    return state === 'options' && this.#stage !== 'closed' && !mustSend;
  }

  #expect(stage: ByteStage, lengthBytes: number): void {
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
    this.#haggling.noZeroes = (flags & NBD_FLAG_C_NO_ZEROES) !== 0;
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

  #skipped(): void {
    this.#expect('option-header', OPTION_HEADER_BYTES);
    this.#haggling.tooBig(this.#option);
  }

  /** A whole option; the next one's header follows unless the haggling ends with this. */
  #optionData(data: Buffer): void {
    this.#expect('option-header', OPTION_HEADER_BYTES);
    this.#haggling.take(this.#option, data);
  }
}
