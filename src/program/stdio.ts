// The one client of -s: on stdin and stdout, as inetd, ssh and nbd_connect_command start a server.
// Loaded only then. The rule: stdout is the client's; nothing else may ever write to it.
import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { messageOf, VddkNbdError } from '../base/errors.js';

const STDIN = 0;
const STDOUT = 1;

/** One stream over both: a socket as it is, if it is the same one, so that it is fast. */
export function openStdio(): Duplex {
  try {
    const [input, output] = [fstatSync(STDIN), fstatSync(STDOUT)];
    if (input.isSocket() && input.dev === output.dev && input.ino === output.ino) {
      return new Socket({ fd: STDIN, allowHalfOpen: true, pauseOnCreate: true } as object);
    }
    const readable = new Socket({ fd: STDIN, readable: true, writable: false });
    const writable = new Socket({ fd: STDOUT, readable: false, writable: true });
    return Duplex.from({ readable, writable });
  } catch (cause) {
    throw new VddkNbdError('START', `no client on stdin and stdout: ${messageOf(cause)}`, {
      hint: 'With -s both must be pipes or one socket, as inetd or ssh make them.',
      cause,
    });
  }
}
