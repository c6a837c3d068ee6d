// Sockets that were made for us before we were started (systemd.socket(5), sd_listen_fds(3)).
// Pure but for the environment it is given. The rule: the variables are removed from it, so that no
// process that we start believes the sockets to be its own.
import { VddkNbdError } from '../base/errors.js';

/** SD_LISTEN_FDS_START. */
const FIRST_FD = 3;
/** More than any unit has; a wrong number must not become a long loop. */
const LISTEN_FDS_MAX = 64;
const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const;

/**
 * The descriptors that were handed to the process `pid`; none if the variables mean another one.
 * @throws VddkNbdError USAGE if LISTEN_FDS is no sensible number.
 */
export function takeInheritedSockets(environment: NodeJS.ProcessEnv, pid: number): number[] {
  const { LISTEN_PID: listenPid, LISTEN_FDS: listenFds } = environment;
  for (const name of VARIABLES) Reflect.deleteProperty(environment, name);
  if (listenPid !== String(pid) || listenFds === undefined) return [];
  const count = /^\d+$/.test(listenFds) ? Number(listenFds) : NaN;
  if (!(count >= 1 && count <= LISTEN_FDS_MAX)) {
    throw new VddkNbdError('USAGE', `LISTEN_FDS is '${listenFds}'`, {
      hint: `A service manager sets it to a number from 1 to ${LISTEN_FDS_MAX}.`,
    });
  }
  return Array.from({ length: count }, (_, i) => FIRST_FD + i);
}
