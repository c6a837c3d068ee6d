// From the parameters of a disk to what its helpers are told: the arguments of InitEx, ConnectEx,
// Create and Open. Pure. The rule: what was not given is not set, for the library's defaults count.
import type { Log } from '../base/log.js';
import { VIXDISKLIB_FLAG_OPEN_READ_ONLY } from '../disk/helper-disk.js';
import type { SessionParams } from '../supervisor/open-session.js';
import { type ConnectParams, TRACE } from '../helper/protocol.js';
import type { DebugFlags } from '../vddk/debug-flags.js';
import type { Libraries } from '../vddk/libraries.js';
import type { DiskParameters } from '../vddk/parameters.js';

/** Flags of VixDiskLib_Open (helper/vixdisklib.h). */
const VIXDISKLIB_FLAG_OPEN_UNBUFFERED = 1;
const VIXDISKLIB_FLAG_OPEN_SINGLE_LINK = 2;

/** What the helpers of one disk are told, but for the arenas. */
type Session = Omit<SessionParams, 'hello'> & {
  hello: Omit<SessionParams['hello'], 'readArenaBytes' | 'writeArenaBytes'>;
};

export interface SessionOptions extends DiskParameters {
  file: string;
  readOnly: boolean;
  debugFlags: DebugFlags;
  log: Pick<Log, 'verbose'>;
}

/** Flags of VixDiskLib_Open. */
export function openFlags(options: SessionOptions): number {
  return (
    (options.unbuffered ? VIXDISKLIB_FLAG_OPEN_UNBUFFERED : 0) |
    (options.singleLink ? VIXDISKLIB_FLAG_OPEN_SINGLE_LINK : 0) |
    (options.readOnly ? VIXDISKLIB_FLAG_OPEN_READ_ONLY : 0) |
    options.compression
  );
}

function connectParams({ readOnly, remote, snapshot, transports }: SessionOptions): ConnectParams {
  return {
    readOnly,
    ...(snapshot !== undefined && { snapshot }),
    ...(transports !== undefined && { transportModes: transports }),
    ...(remote && {
      vmxSpec: remote.vm,
      serverName: remote.server,
      ...(remote.user !== undefined && { userName: remote.user }),
      ...(remote.password && { password: remote.password }),
      ...(remote.cookie && { cookie: remote.cookie }),
      ...(remote.thumbprint !== undefined && { thumbPrint: remote.thumbprint }),
      port: remote.port,
      nfcHostPort: remote.nfcHostPort,
    }),
  };
}

/** What each helper of the disk is told. The disk is created by the first one alone. */
export function sessionOf(options: SessionOptions, libraries: Libraries): Session {
  return {
    hello: {
      libraries: libraries.candidates,
      libdir: libraries.libdir,
      config: options.config,
      ...(options.log.verbose && { trace: options.debugFlags.datapath ? TRACE.IO : TRACE.CALLS }),
    },
    connect: connectParams(options),
    open: {
      path: options.file,
      flags: openFlags(options),
      // The built-in engine takes its own locks, and so does a remote host.
      fence: !options.readOnly && options.remote === undefined && libraries.engine !== 'builtin',
    },
    ...(options.create && {
      create: { params: { path: options.file, ...options.create }, done: false },
    }),
  };
}
