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

/** `nbd://HOST:PORT/NAME` or `nbd+unix:///NAME?socket=PATH`. */
export function nbdUri(endpoint: Endpoint, exportName: string): string {
  const name = encode(exportName, SLASHES);
  if ('unix' in endpoint) return `nbd+unix:///${name}?socket=${encode(endpoint.unix, SLASHES)}`;
  return `nbd://${authority(endpoint)}${name === '' ? '' : `/${name}`}`;
}

/** Whether only this machine can reach `address`. A name counts as reachable, except localhost. */
export function isLoopback(address: string): boolean {
  if (isIP(address) === 4) return address.startsWith('127.');
  return address === '::1' || address === 'localhost';
}
