// Where to listen, from the flags: pure decisions, made before anything is started.
// The rule: what other machines can reach is opened only if the user said so in words.
import { VddkNbdError } from '../base/errors.js';
import { isLoopback } from './uri.js';

/** IANA's port for NBD. */
const NBD_PORT = 10809;
const LOOPBACK = '127.0.0.1';

/** The flags that say where to listen. */
export interface ListenFlags {
  /** A path, or `-` for a private socket. */
  unix: string | undefined;
  ipaddr: string | undefined;
  /** 0 picks a free one. */
  port: number | undefined;
  insecure: boolean;
  /** With a command to run and no place given, the socket is private. */
  run: string | undefined;
}

export type ListenPlan =
  | { kind: 'private' }
  | { kind: 'unix'; path: string }
  /** `open`: other machines can connect. */
  | { kind: 'tcp'; host: string; port: number; open: boolean };

/**
 * Decides where to listen.
 * @throws VddkNbdError USAGE if a place is empty, or if other machines could connect and
 * --insecure was not given.
 */
export function planListen(flags: ListenFlags): ListenPlan {
  if (flags.unix === '' || flags.ipaddr === '') {
    const flag = flags.unix === '' ? '--unix' : '--ipaddr';
    throw new VddkNbdError('USAGE', `${flag} is empty`, { hint: 'Give it a value.' });
  }
  if (flags.unix === '-') return { kind: 'private' };
  if (flags.unix !== undefined) return { kind: 'unix', path: flags.unix };
  if (flags.run !== undefined && flags.port === undefined && flags.ipaddr === undefined) {
    return { kind: 'private' };
  }
  const host = flags.ipaddr ?? LOOPBACK;
  const open = !isLoopback(host);
  if (open && !flags.insecure) {
    throw new VddkNbdError('USAGE', `other machines could read and write the disk at ${host}`, {
      hint: 'Listen on 127.0.0.1 or a unix socket, or allow it with --insecure.',
    });
  }
  return { kind: 'tcp', host, port: flags.port ?? NBD_PORT, open };
}
