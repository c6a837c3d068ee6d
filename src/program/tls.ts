// TLS from the flags to the server: which credentials, found where, and that new ones are read on
// SIGHUP. The TLS of node is loaded only if it is wanted: it costs milliseconds at every start.
// The rule: `require` never becomes less because something is missing.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { messageOf, VddkNbdError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { isReadableByOthers } from '../server/tls-credentials.js';
import type { TlsServer, TlsSettings } from '../server/tls-server.js';
import type { UriTls } from './uri.js';

export interface TlsFlags {
  tls: string | undefined;
  tlsCertificates: string | undefined;
  tlsPsk: string | undefined;
  tlsVerifyPeer: boolean;
}

/** Where nbdkit looks for certificates, for root and for others. */
function defaultDirectory(): string | undefined {
  const directories =
    process.getuid?.() === 0
      ? ['/etc/pki/nbdkit']
      : [path.join(homedir(), '.pki/nbdkit'), path.join(homedir(), '.config/pki/nbdkit')];
  return directories.find((directory) => existsSync(path.join(directory, 'server-cert.pem')));
}

/**
 * What the flags ask for; undefined is no TLS.
 * @throws VddkNbdError USAGE if they contradict each other, or START without certificates
 */
export function planTls(flags: TlsFlags): TlsSettings | undefined {
  const { tlsCertificates, tlsPsk, tlsVerifyPeer } = flags;
  const given = tlsCertificates !== undefined || tlsPsk !== undefined;
  const mode = flags.tls ?? (given ? 'on' : 'off');
  if (tlsCertificates === '' || tlsPsk === '') {
    const flag = tlsPsk === '' ? '--tls-psk' : '--tls-certificates';
    throw new VddkNbdError('USAGE', `${flag} is empty`, { hint: 'Give it a value.' });
  }
  if (tlsVerifyPeer && (mode === 'off' || tlsPsk !== undefined)) {
    throw new VddkNbdError('USAGE', '--tls-verify-peer needs TLS with certificates', {
      hint: 'Give --tls=require and --tls-certificates; with --tls-psk the key is the proof.',
    });
  }
  if (mode === 'off') return undefined;
  const common = { mode: mode === 'on' ? ('on' as const) : ('require' as const) };
  if (tlsPsk !== undefined) {
    return { ...common, credentials: { psk: path.resolve(tlsPsk) }, verifyPeer: false };
  }
  const directory = tlsCertificates ?? defaultDirectory();
  if (directory === undefined) {
    throw new VddkNbdError('USAGE', `--tls=${mode} needs certificates or keys`, {
      hint: 'Give --tls-certificates DIR or --tls-psk FILE.',
    });
  }
  const credentials = { certificates: path.resolve(directory) };
  return { ...common, credentials, verifyPeer: tlsVerifyPeer };
}

/** Reads the credentials. @throws VddkNbdError START */
export async function openTls(settings: TlsSettings, log: Log): Promise<TlsServer> {
  const { credentials } = settings;
  const secret =
    'psk' in credentials ? credentials.psk : path.join(credentials.certificates, 'server-key.pem');
  if (isReadableByOthers(secret)) log.warning(`others can read ${secret}; chmod 600 helps`);
  const { TlsServer: Upgrader } = await import('../server/tls-server.js');
  return new Upgrader(settings);
}

/** New credentials; the old ones stay if they can't be read. */
export function reloadTls(tls: TlsServer, log: Log): void {
  try {
    tls.reload();
    log.info('TLS: the credentials were read again');
  } catch (error) {
    log.error(`${messageOf(error)}; the old credentials stay in use`);
  }
}

/** What the URI says about it; undefined where clients need no TLS. */
export function uriTls(settings: TlsSettings | undefined): UriTls | undefined {
  return settings?.mode === 'require' ? settings.credentials : undefined;
}

/** The variables of --run that nbdkit has for TLS. */
export function tlsVariables(settings: TlsSettings | undefined): Record<string, string> {
  if (settings === undefined) return { tls_certificates: '', tls_psk: '' };
  const { credentials, mode } = settings;
  return {
    tls: mode === 'on' ? '1' : '2',
    tls_certificates: 'certificates' in credentials ? credentials.certificates : '',
    tls_psk: 'psk' in credentials ? credentials.psk : '',
  };
}
