// What each option of the handshake means (proto.md, "Option types"): option in, replies out, and
// where that leads. The bytes around them are the business of handshake.ts.
// The rule: an option that fails changes nothing, but for NBD_OPT_SET_META_CONTEXT, which drops
// what was selected before.
import { HANDSHAKE_REPLY_BYTES_MAX } from '../base/limits.js';
import type { Agreement, HeaderStyle } from './agreement.js';
import {
  NBD_FLAG_SEND_DF,
  NBD_OPT_ABORT,
  NBD_OPT_EXPORT_NAME,
  NBD_OPT_EXTENDED_HEADERS,
  NBD_OPT_GO,
  NBD_OPT_INFO,
  NBD_OPT_LIST,
  NBD_OPT_LIST_META_CONTEXT,
  NBD_OPT_SET_META_CONTEXT,
  NBD_OPT_STARTTLS,
  NBD_OPT_STRUCTURED_REPLY,
  NBD_REP_ACK,
  NBD_REP_ERR_EXT_HEADER_REQD,
  NBD_REP_ERR_INVALID,
  NBD_REP_ERR_POLICY,
  NBD_REP_ERR_SHUTDOWN,
  NBD_REP_ERR_TLS_REQD,
  NBD_REP_ERR_TOO_BIG,
  NBD_REP_ERR_UNKNOWN,
  NBD_REP_ERR_UNSUP,
} from './constants.js';
import type { Found, NbdExport, NbdExports } from './export.js';
import { listsAllocation, NBD_ALLOCATION_CONTEXT_ID, selectsAllocation } from './meta-context.js';
import { decodeInfo, decodeMetaContextQueries, decodeString } from './option-data.js';
import {
  exportNameReply,
  infoReplies,
  metaContextReply,
  optionReply,
  serverReply,
} from './option-reply.js';

/** What a connection has of TLS (proto.md, "Server-side requirements"): NOTLS, ..., FORCEDTLS. */
export interface TlsPolicy {
  readonly mode: 'off' | 'on' | 'require';
  /** The client has come through TLS already. */
  readonly isSecure: boolean;
}

/** Where the last option led; `options`: to the next one. */
export type HagglingState = 'options' | 'upgrade' | 'lookup' | 'transmission' | 'closed';

const TLS_FIRST = 'TLS is required: NBD_OPT_STARTTLS first';
const SHUTTING_DOWN = 'the server is shutting down';
const MALFORMED = 'malformed option data';

/** One client's options. */
export class Haggling<Export extends NbdExport> {
  readonly #exports: NbdExports<Export>;
  readonly #tls: TlsPolicy['mode'];
  #isSecure: boolean;
  #output: Buffer[] = [];
  #outputBytes = 0;
  #option = 0;
  #style: HeaderStyle = 'simple';
  /** The name for which base:allocation is selected. */
  #allocationOf: string | undefined;
  /** The client has said NBD_FLAG_C_NO_ZEROES. */
  noZeroes = false;
  state: HagglingState = 'options';
  /** Why `state` is closed, for the log; "" if the client just said goodbye. */
  reason = '';
  /** Set when `state` is transmission. */
  agreement: Agreement<Export> | undefined;
  /** Resolves when the state `lookup` is over. */
  found: Promise<void> | undefined;
  shuttingDown = false;

  constructor(exports: NbdExports<Export>, tls: TlsPolicy) {
    this.#exports = exports;
    this.#tls = tls.mode;
    this.#isSecure = tls.isSecure;
  }

  /** Whether there is so much to be sent that it must leave before the next option is taken. */
  get mustSend(): boolean {
    return this.#outputBytes >= HANDSHAKE_REPLY_BYTES_MAX;
  }

  /** Replies that are to be sent now. */
  takeOutput(): Buffer[] {
    this.#outputBytes = 0;
    return this.#output.splice(0);
  }

  /** The state `upgrade` is over. Nothing that was negotiated before is kept. */
  secured(): void {
    this.#isSecure = true;
    this.#style = 'simple';
    this.#allocationOf = undefined;
    this.state = 'options';
  }

  /** An option whose data was too long to be kept. */
  tooBig(option: number): void {
    this.#option = option;
    if (this.#needsTls) this.#error(NBD_REP_ERR_TLS_REQD, TLS_FIRST);
    else this.#error(NBD_REP_ERR_TOO_BIG, 'option data too long');
  }

  /** A whole option. */
  take(option: number, data: Buffer): void {
    this.#option = option;
    if (option === NBD_OPT_ABORT) {
      this.#reply(NBD_REP_ACK);
      this.#close('');
    } else if (option === NBD_OPT_EXPORT_NAME) {
      this.#exportName(data);
    } else if (option === NBD_OPT_STARTTLS) {
      this.#startTls(data);
    } else if (this.#needsTls) {
      this.#error(NBD_REP_ERR_TLS_REQD, TLS_FIRST);
    } else if (this.shuttingDown) {
      this.#error(NBD_REP_ERR_SHUTDOWN, SHUTTING_DOWN);
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
      case NBD_OPT_STRUCTURED_REPLY:
        this.#structuredReply(data);
        break;
      case NBD_OPT_EXTENDED_HEADERS:
        if (!this.#refusesData('NBD_OPT_EXTENDED_HEADERS', data)) this.#agreeOn('extended');
        break;
      case NBD_OPT_LIST_META_CONTEXT:
      case NBD_OPT_SET_META_CONTEXT:
        this.#metaContext(data);
        break;
      default:
        this.#error(NBD_REP_ERR_UNSUP, 'option not supported');
    }
  }

  #send(...messages: Buffer[]): void {
    for (const message of messages) this.#outputBytes += message.length;
    this.#output.push(...messages);
  }

  #reply(type: number, data?: Buffer): void {
    this.#send(optionReply(this.#option, type, data));
  }

  #error(type: number, text: string): void {
    this.#reply(type, Buffer.from(text));
  }

  #close(reason: string): void {
    this.state = 'closed';
    this.reason = reason;
  }

  /** Whether nothing may be said before NBD_OPT_STARTTLS (proto.md, "FORCEDTLS mode"). */
  get #needsTls(): boolean {
    return this.#tls === 'require' && !this.#isSecure;
  }

  /** Answers an option that has data and must not. */
  #refusesData(option: string, data: Buffer): boolean {
    if (data.length > 0) this.#error(NBD_REP_ERR_INVALID, `${option} takes no data`);
    return data.length > 0;
  }

  #startTls(data: Buffer): void {
    if (this.#refusesData('NBD_OPT_STARTTLS', data)) return;
    if (this.#isSecure) {
      this.#error(NBD_REP_ERR_INVALID, 'the connection is secure already');
    } else if (this.#tls === 'off') {
      this.#error(NBD_REP_ERR_POLICY, 'TLS is not set up on this server');
    } else {
      this.#reply(NBD_REP_ACK);
      this.state = 'upgrade';
    }
  }

  #agreeOn(style: HeaderStyle): void {
    this.#style = style;
    this.#reply(NBD_REP_ACK);
  }

  #structuredReply(data: Buffer): void {
    if (this.#refusesData('NBD_OPT_STRUCTURED_REPLY', data)) return;
    if (this.#style === 'extended') {
      this.#error(NBD_REP_ERR_EXT_HEADER_REQD, 'extended headers are negotiated already');
    } else {
      this.#agreeOn('structured');
    }
  }

  /** Looks `name` up and goes on with what it leads to. Nothing is taken until then. */
  #find(name: string, goOn: (found: Found<Export>) => void): void {
    const found = this.#exports.lookup(name);
    if (!(found instanceof Promise)) {
      goOn(found);
      return;
    }
    this.state = 'lookup';
    this.found = found.then((target) => {
      this.found = undefined;
      this.state = 'options';
      goOn(target);
    });
  }

  /** As #find() for options that can be answered with an error. */
  #findOrRefuse(name: string, goOn: (target: Export) => void): void {
    this.#find(name, (target) => {
      if (this.shuttingDown) this.#error(NBD_REP_ERR_SHUTDOWN, SHUTTING_DOWN);
      else if (typeof target === 'string') this.#error(NBD_REP_ERR_UNKNOWN, target);
      else goOn(target);
    });
  }

  /** There is no error reply to this option: what can't be is closed. */
  #exportName(data: Buffer): void {
    const name = decodeString(data);
    if (this.#needsTls) {
      this.#close('a client without TLS, which is required');
    } else if (this.#style === 'extended') {
      this.#close('NBD_OPT_EXPORT_NAME after NBD_OPT_EXTENDED_HEADERS');
    } else if (name === undefined) {
      this.#close('malformed export name');
    } else {
      this.#find(name, (target) => {
        if (this.shuttingDown) {
          this.#close(SHUTTING_DOWN);
        } else if (typeof target === 'string') {
          this.#close(target);
        } else {
          const agreement = this.#agreementOn(target, name);
          this.#send(exportNameReply(agreement, this.noZeroes));
          this.#transmit(agreement);
        }
      });
    }
  }

  #list(data: Buffer): void {
    if (this.#refusesData('NBD_OPT_LIST', data)) return;
    for (const target of this.#exports.list()) {
      this.#send(serverReply(this.#option, target));
    }
    this.#reply(NBD_REP_ACK);
  }

  #info(data: Buffer): void {
    const wanted = decodeInfo(data);
    if (wanted === undefined) {
      this.#error(NBD_REP_ERR_INVALID, MALFORMED);
      return;
    }
    this.#findOrRefuse(wanted.name, (target) => {
      const agreement = this.#agreementOn(target, wanted.name);
      this.#send(...infoReplies(this.#option, agreement, wanted.asked));
      this.#reply(NBD_REP_ACK);
      if (this.#option === NBD_OPT_GO) this.#transmit(agreement);
    });
  }

  #metaContext(data: Buffer): void {
    const sets = this.#option === NBD_OPT_SET_META_CONTEXT;
    if (sets) this.#allocationOf = undefined;
    const wanted = decodeMetaContextQueries(data);
    if (this.#style === 'simple') {
      this.#error(NBD_REP_ERR_INVALID, 'NBD_OPT_STRUCTURED_REPLY must come first');
      return;
    }
    if (wanted === undefined) {
      this.#error(NBD_REP_ERR_INVALID, MALFORMED);
      return;
    }
    const { name, queries } = wanted;
    this.#findOrRefuse(name, () => {
      if (sets && selectsAllocation(queries)) {
        this.#allocationOf = name;
        this.#send(metaContextReply(this.#option, NBD_ALLOCATION_CONTEXT_ID));
      } else if (!sets && listsAllocation(queries)) {
        this.#send(metaContextReply(this.#option, 0));
      }
      this.#reply(NBD_REP_ACK);
    });
  }

  /** Contexts count only under the very name for which they were selected. */
  #agreementOn(target: Export, name: string): Agreement<Export> {
    return {
      target,
      style: this.#style,
      transmissionFlags:
        target.transmissionFlags | (this.#style === 'simple' ? 0 : NBD_FLAG_SEND_DF),
      allocation: this.#allocationOf === name,
    };
  }

  #transmit(agreement: Agreement<Export>): void {
    this.agreement = agreement;
    this.state = 'transmission';
  }
}
