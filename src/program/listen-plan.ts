// Where to listen, from the flags: pure decisions, made before anything is started.
// The rule: what other machines can reach is opened only if the user said so in words, or if every
// client must come through TLS.
import { isIPv4, isIPv6 } from 'node:net';
import { VddkNbdError } from '../base/errors.js';
import { isLoopback } from './uri.js';

/** IANA's port for NBD. */
const NBD_PORT = 10809;

/** The flags that say where to listen. */
export interface ListenFlags {
  /** A path, or `-` for a private socket. */
  unix: string | undefined;
  /** Addresses and names; none is the loopback address. */
  ipaddr: readonly string[];
  /** 0 picks a free one. */
  port: number | undefined;
  /** Only addresses of this family. */
  family: 4 | 6 | undefined;
  /** One client, on stdin and stdout. */
  single: boolean;
  insecure: boolean;
  /** With a command to run and no place given, the socket is private. */
  run: string | undefined;
  /** Sockets that were inherited, listening. */
  inherited: readonly number[];
  /** No client gets anything before TLS. */
  tlsRequired: boolean;
}

export type ListenPlan =
  | { kind: 'private' }
  | { kind: 'stdio' }
  | { kind: 'inherited'; fds: readonly number[] }
  | { kind: 'unix'; path: string }
  | { kind: 'tcp'; hosts: readonly string[]; port: number; family: 4 | 6 | undefined };

/** @throws VddkNbdError USAGE if a flag has an empty value, as of a variable that is not set */
function refuseEmpty({ unix, ipaddr }: ListenFlags): void {
  const flag = unix === '' ? '--unix' : ipaddr.includes('') ? '--ipaddr' : undefined;
  if (flag === undefined) return;
  throw new VddkNbdError('USAGE', `${flag} is empty`, { hint: 'Give it a value.' });
}

/** @throws VddkNbdError USAGE for a flag of `given` beside `what`, which leaves no room for it */
function refuseBeside(what: string, given: Readonly<Record<string, boolean>>): void {
  const flag = Object.keys(given).find((name) => given[name] === true);
  if (flag === undefined) return;
  throw new VddkNbdError('USAGE', `${flag} can't be given with ${what}`, {
    hint: 'Leave out one of them.',
  });
}

/** @throws VddkNbdError USAGE for addresses of the other family than asked for */
function checkFamily({ ipaddr, family }: ListenFlags): void {
  const isOther = family === 4 ? isIPv6 : isIPv4;
  const other = family === undefined ? undefined : ipaddr.find((host) => isOther(host));
  if (other === undefined) return;
  throw new VddkNbdError('USAGE', `${other} is not an IPv${family ?? ''} address`, {
    hint: `Leave out -${family ?? ''}.`,
  });
}

/**
 * @throws VddkNbdError USAGE if other machines could connect to one of `hosts` and it was not
 * allowed in words.
 * @returns those of `hosts` for which a warning is due.
 */
export function checkReach(
  hosts: readonly string[],
  { insecure, tlsRequired }: Pick<ListenFlags, 'insecure' | 'tlsRequired'>,
): string[] {
  if (tlsRequired) return [];
  const open = hosts.filter((host) => !isLoopback(host));
  if (open.length === 0 || insecure) return open;
  const where = open.join(', ');
  throw new VddkNbdError('USAGE', `other machines could read and write the disk at ${where}`, {
    hint: 'Listen on 127.0.0.1 or a unix socket, use --tls=require, or allow it with --insecure.',
  });
}

/**
 * Decides where to listen.
 * @throws VddkNbdError USAGE if flags contradict each other, or if other machines could connect and
 * neither --insecure nor --tls=require was given.
 */
export function planListen(flags: ListenFlags): ListenPlan {
  refuseEmpty(flags);
  const { unix, ipaddr, port, family, run } = flags;
  const places = { '-U': unix !== undefined, '-i': ipaddr.length > 0, '-p': port !== undefined };
  if (flags.inherited.length > 0) {
    const others = { ...places, '-s': flags.single, '--run': run !== undefined };
    refuseBeside('sockets of a service manager (LISTEN_FDS)', others);
    return { kind: 'inherited', fds: flags.inherited };
  }
  if (flags.single) {
    refuseBeside('-s', { ...places, '--run': run !== undefined });
    return { kind: 'stdio' };
  }
  if (unix === '-') return { kind: 'private' };
  if (unix !== undefined) return { kind: 'unix', path: unix };
  if (run !== undefined && !places['-p'] && !places['-i']) return { kind: 'private' };
  checkFamily(flags);
  const hosts = ipaddr.length > 0 ? ipaddr : [family === 6 ? '::1' : '127.0.0.1'];
  checkReach(hosts, flags);
  return { kind: 'tcp', hosts, port: port ?? NBD_PORT, family };
}
