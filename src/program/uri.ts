// How a client names what is served: the NBD URI.
// Pure. The rule: whatever a path or an export name holds, the URI has no blank and no quote in it.
import { isIP, isIPv6 } from 'node:net';

/** Where the server listens. */
export type Endpoint = { unix: string } | { host: string; port: number };

/** encodeURIComponent leaves ' ( ) * alone, which a shell does not. */
function encode(text: string, keep: RegExp): string {
  return encodeURIComponent(text)
    .replace(/['()*!]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(keep, (escaped) => decodeURIComponent(escaped));
}

const SLASHES = /%2F/g;

/** An IPv6 address has colons of its own. */
function authority({ host, port }: { host: string; port: number }): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** What a client has to know of TLS where it is required; {} if its own settings do. */
export interface UriTls {
  certificates?: string;
  psk?: string;
}

function query(parameters: Record<string, string | undefined>): string {
  const set = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encode(value, SLASHES)}`],
  );
  return set.length === 0 ? '' : `?${set.join('&')}`;
}

/**
 * `nbd://HOST:PORT/NAME` or `nbd+unix:///NAME?socket=PATH`; nbds with TLS, and where its
 * credentials are on this machine, as nbdkit says it.
 */
export function nbdUri(endpoint: Endpoint, exportName: string, tls?: UriTls): string {
  const scheme = tls === undefined ? 'nbd' : 'nbds';
  const name = encode(exportName, SLASHES);
  const unix = 'unix' in endpoint;
  const rest = query({
    socket: unix ? endpoint.unix : undefined,
    'tls-certificates': tls?.certificates,
    'tls-psk-file': tls?.psk,
  });
  if (unix) return `${scheme}+unix:///${name}${rest}`;
  const path = name === '' && rest === '' ? '' : `/${name}`;
  return `${scheme}://${authority(endpoint)}${path}${rest}`;
}

/** Whether only this machine can reach `address`. A name counts as reachable, except localhost. */
export function isLoopback(address: string): boolean {
  if (isIP(address) === 4) return address.startsWith('127.');
  return address === '::1' || address === 'localhost';
}
