// What a TLS server needs of the disk: certificates under nbdkit's file names, or pre-shared keys
// in psktool's format. Read by tls-server.ts, at the start and when certificates are reloaded.
// The rule: an error names the file and never shows what is in it.
import { statSync } from 'node:fs';
import path from 'node:path';
import { messageOf, VddkNbdError } from '../base/errors.js';
import { TLS_FILE_BYTES_MAX, TLS_PSK_BYTES_MAX, TLS_PSK_BYTES_MIN } from '../base/limits.js';
import { readFileUpTo } from '../base/read-up-to.js';

/** PEM texts. */
export interface Certificates {
  cert: string;
  key: string;
  /** Who signs clients; needed to verify them. */
  ca: string | undefined;
  /** Revoked certificates of clients. */
  crl: string | undefined;
}

/** Keys by the name of their user. */
export type PreSharedKeys = ReadonlyMap<string, Buffer>;

function readText(file: string): string {
  try {
    const bytes = readFileUpTo(file, TLS_FILE_BYTES_MAX);
    if (bytes.length > TLS_FILE_BYTES_MAX) throw new Error(`${file} is too large`);
    return bytes.toString();
  } catch (cause) {
    throw new VddkNbdError('START', `TLS: ${messageOf(cause)}`, {
      hint: 'Check --tls-certificates or --tls-psk.',
      cause,
    });
  }
}

function readIfThere(file: string): string | undefined {
  return statSync(file, { throwIfNoEntry: false }) === undefined ? undefined : readText(file);
}

/** The files of `directory`. @throws VddkNbdError START if one that is needed can't be read */
export function readCertificates(directory: string, verifyPeer: boolean): Certificates {
  const file = (name: string): string => path.join(directory, name);
  const ca = verifyPeer ? readText(file('ca-cert.pem')) : readIfThere(file('ca-cert.pem'));
  return {
    cert: readText(file('server-cert.pem')),
    key: readText(file('server-key.pem')),
    ca,
    crl: readIfThere(file('ca-crl.pem')),
  };
}

function keyOf(line: string): { user: string; key: Buffer } | undefined {
  const match = /^(#?)(.+):((?:[0-9a-f]{2})+)$/i.exec(line);
  if (match === null) return undefined;
  const [, raw, name = '', hex = ''] = match;
  // '#' begins a user name that is itself in hexadecimal.
  if (raw === '#' && !/^(?:[0-9a-f]{2})+$/i.test(name)) return undefined;
  const user = raw === '#' ? Buffer.from(name, 'hex').toString() : name;
  const key = Buffer.from(hex, 'hex');
  return key.length < TLS_PSK_BYTES_MIN || key.length > TLS_PSK_BYTES_MAX
    ? undefined
    : { user, key };
}

/** Lines `USER:HEXKEY`. @throws VddkNbdError START naming the line that is none */
export function parsePreSharedKeys(text: string, file: string): PreSharedKeys {
  const keys = new Map<string, Buffer>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const entry = keyOf(line.trim());
    if (entry === undefined) {
      throw new VddkNbdError('START', `TLS: ${file}, line ${index + 1} is no pre-shared key`, {
        hint: `Make the file with: psktool -u USER -p ${file}.`,
      });
    }
    keys.set(entry.user, entry.key);
  }
  if (keys.size > 0) return keys;
  throw new VddkNbdError('START', `TLS: there is no key in ${file}`, {
    hint: `Make the file with: psktool -u USER -p ${file}.`,
  });
}

/** The keys in `file`. @throws VddkNbdError START */
export function readPreSharedKeys(file: string): PreSharedKeys {
  return parsePreSharedKeys(readText(file), file);
}

/** Whether users other than the owner and the group can read `file`. */
export function isReadableByOthers(file: string): boolean {
  return ((statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o004) !== 0;
}
