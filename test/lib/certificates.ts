// Certificates for tests, made by openssl: a CA, a server and clients, under nbdkit's file names.
// The rule: nothing here lasts longer than the test's directory.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { must } from './serve.js';

/** A CA of its own, in `dir`. */
export class Authority {
  readonly dir: string;
  #serial = 0;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async make(dir: string): Promise<Authority> {
    mkdirSync(dir, { recursive: true });
    const ca = new Authority(dir);
    writeFileSync(ca.#at('index'), '');
    const config = [
      '[ca]\ndefault_ca=d\n[d]',
      `database=${ca.#at('index')}`,
      'default_md=sha256\ndefault_crl_days=30\npolicy=p\n[p]\ncommonName=supplied',
    ];
    writeFileSync(ca.#at('config'), config.join('\n'));
    const subject = ['-subj', '/CN=Test CA', '-days', '30'];
    await must('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...[...subject, '-keyout', ca.#at('ca-key.pem'), '-out', ca.#at('ca-cert.pem')],
    ]);
    return ca;
  }

  #at(name: string): string {
    return path.join(this.dir, name);
  }

  /** PREFIX-cert.pem and PREFIX-key.pem in `to`, with the CA's certificate beside them. */
  async issue(to: string, prefix: 'server' | 'client', days = 30): Promise<void> {
    mkdirSync(to, { recursive: true });
    const at = (name: string): string => path.join(to, name);
    const [cert, key] = [at(`${prefix}-cert.pem`), at(`${prefix}-key.pem`)];
    const request = at('request.pem');
    await must('openssl', [
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-subj', '/CN=localhost', '-keyout', key, '-out', request],
    ]);
    writeFileSync(at('extensions'), 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n');
    this.#serial += 1;
    await must('openssl', [
      ...['x509', '-req', '-in', request, '-out', cert, '-set_serial', String(this.#serial)],
      ...['-CA', this.#at('ca-cert.pem'), '-CAkey', this.#at('ca-key.pem')],
      ...['-extfile', at('extensions'), ...['-days', String(days)]],
    ]);
    copyFileSync(this.#at('ca-cert.pem'), at('ca-cert.pem'));
  }

  /** Revokes the certificate `cert`, and writes the list to `to`. */
  async revoke(cert: string, to: string): Promise<void> {
    const signer = ['-keyfile', this.#at('ca-key.pem'), '-cert', this.#at('ca-cert.pem')];
    const config = ['ca', '-config', this.#at('config'), ...signer];
    await must('openssl', [...config, '-revoke', cert]);
    await must('openssl', [...config, '-gencrl', '-out', path.join(to, 'ca-crl.pem')]);
  }
}
