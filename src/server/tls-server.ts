// TLS for connections that ask for it with NBD_OPT_STARTTLS (proto.md, "TLS support"). Loaded only
// where TLS is set up. Node's own server does the work; it is handed sockets and never listens.
// The rule: a client that is refused leaves a line that says why.
import { constants } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { createServer, type Server, type TlsOptions, type TLSSocket } from 'node:tls';
import { messageOf, VddkNbdError } from '../base/errors.js';
import type { TlsUpgrade } from './connection.js';
import { readCertificates, readPreSharedKeys } from './tls-credentials.js';

export interface TlsSettings {
  mode: 'on' | 'require';
  /** A directory of certificates, or a file of pre-shared keys. */
  credentials: { certificates: string } | { psk: string };
  /** Clients must show a certificate that the CA has signed. */
  verifyPeer: boolean;
}

/** Forward secrecy alone; the suites of TLS 1.3 that go with keys of 256 bits' hashes. */
const PSK_CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-PSK-CHACHA20-POLY1305',
  'ECDHE-PSK-AES256-CBC-SHA384',
  'ECDHE-PSK-AES128-CBC-SHA256',
  'DHE-PSK-AES256-GCM-SHA384',
  'DHE-PSK-CHACHA20-POLY1305',
  'DHE-PSK-AES128-GCM-SHA256',
].join(':');

/** What OpenSSL says about a client's certificate, in words. */
const REFUSALS: Record<string, string> = {
  CERT_HAS_EXPIRED: "the client's certificate has expired",
  CERT_NOT_YET_VALID: "the client's certificate is not valid yet",
  CERT_REVOKED: "the client's certificate is revoked (ca-crl.pem)",
  CRL_HAS_EXPIRED: 'ca-crl.pem has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: "the client's certificate is not signed by the CA (ca-cert.pem)",
  SELF_SIGNED_CERT_IN_CHAIN: "the client's certificate is of another CA than ca-cert.pem",
  UNABLE_TO_GET_CRL: 'ca-crl.pem is not of the CA that signed the client',
  UNABLE_TO_GET_ISSUER_CERT: "the client's certificate is not signed by the CA (ca-cert.pem)",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    "the client's certificate is not signed by the CA (ca-cert.pem)",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the client's certificate is not signed by the CA (ca-cert.pem)",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'the client has shown no certificate',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: "the client does not trust this server's certificate",
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: "the client does not accept this server's certificate",
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: "this server's certificate has expired, says the client",
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: "the client does not accept this server's certificate",
  ERR_SSL_PSK_IDENTITY_NOT_FOUND: 'the client has named no known user of --tls-psk',
  ERR_SSL_BINDER_DOES_NOT_VERIFY: "the client's pre-shared key is another one",
  ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: "the client's pre-shared key is another one",
  ERR_SSL_WRONG_VERSION_NUMBER: 'the client does not speak TLS',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the client speaks no version of TLS from 1.2 on',
  ERR_SSL_NO_SHARED_CIPHER: 'the client and this server have no cipher in common',
  ECONNRESET: "the client has hung up; it may not accept this server's certificate",
};

/** A client of TLS 1.3 whose user we don't know is asked for certificates, which we lack. */
const PSK_REFUSALS: Record<string, string> = {
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM: 'the client has named no known user of --tls-psk',
  ERR_SSL_NO_SHARED_CIPHER: 'the client has no pre-shared key, or no cipher in common with us',
};

function reasonOf(error: NodeJS.ErrnoException, socket: TLSSocket, psk: boolean): string {
  // Node's types say Error; what it sets is OpenSSL's code.
  const refused = socket.authorizationError as unknown;
  const code = typeof refused === 'string' && refused !== '' ? refused : (error.code ?? '');
  return (
    (psk ? PSK_REFUSALS[code] : undefined) ?? REFUSALS[code] ?? (code === '' ? error.message : code)
  );
}

/** @throws VddkNbdError START */
function optionsOf({ credentials, verifyPeer }: TlsSettings): TlsOptions {
  const common = {
    minVersion: 'TLSv1.2',
    dhparam: 'auto',
    // A handshake costs us more than the client; one of them is enough.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  } as const;
  if ('psk' in credentials) {
    const keys = readPreSharedKeys(credentials.psk);
    return {
      ...common,
      ciphers: PSK_CIPHERS,
      pskCallback: (_socket: TLSSocket, identity: string) => keys.get(identity) ?? null,
    };
  }
  const { cert, key, ca, crl } = readCertificates(credentials.certificates, verifyPeer);
  return {
    ...common,
    cert,
    key,
    requestCert: verifyPeer,
    rejectUnauthorized: verifyPeer,
    ...(verifyPeer && { ca, ...(crl !== undefined && { crl }) }),
  };
}

/** The parts of a TLSSocket that node does not document. */
interface WithParent {
  _parent?: Duplex;
}

export class TlsServer implements TlsUpgrade {
  readonly mode: 'on' | 'require';
  readonly #settings: TlsSettings;
  #server: Server;
  /** Weak: a client that goes in the middle of it leaves nothing behind. */
  readonly #waiting = new WeakMap<Duplex, (result: Duplex | string) => void>();

  /** @throws VddkNbdError START if the credentials can't be used */
  constructor(settings: TlsSettings) {
    this.mode = settings.mode;
    this.#settings = settings;
    this.#server = this.#load();
  }

  /**
   * Reads the credentials again, for handshakes that begin from now on.
   * @throws VddkNbdError START; the old ones stay in use then
   */
  reload(): void {
    this.#server = this.#load();
  }

  #load(): Server {
    let server: Server;
    try {
      server = createServer(optionsOf(this.#settings));
    } catch (cause) {
      if (cause instanceof VddkNbdError) throw cause;
      const { credentials } = this.#settings;
      const where = 'psk' in credentials ? credentials.psk : credentials.certificates;
      throw new VddkNbdError('START', `TLS: ${where} can't be used: ${messageOf(cause)}`, {
        hint: 'server-cert.pem and server-key.pem must belong together.',
        cause,
      });
    }
    server.on('secureConnection', (socket) => {
      // From now on a client may end its half and wait for the rest of its replies.
      socket.allowHalfOpen = true;
      this.#settle(socket, socket);
    });
    server.on('tlsClientError', (error, socket) => {
      this.#settle(socket, reasonOf(error, socket, 'psk' in this.#settings.credentials));
    });
    return server;
  }

  #settle(socket: TLSSocket, result: Duplex | string): void {
    const { _parent: raw } = socket as unknown as WithParent;
    const done = raw && this.#waiting.get(raw);
    if (raw === undefined || done === undefined) {
      socket.destroy();
      return;
    }
    this.#waiting.delete(raw);
    done(result);
  }

  upgrade(raw: Duplex, done: (result: Duplex | string) => void): void {
    this.#waiting.set(raw, done);
    // A client that hangs up in the middle of the handshake is noticed.
    raw.allowHalfOpen = false;
    this.#server.emit('connection', raw);
  }
}
