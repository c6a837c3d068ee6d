// The servers that are compared, all with the same raw file: ours and nbdkit's vddk plugin with the
// same library, which is the fault engine without faults; nbdkit's file plugin and qemu-nbd.
// NBDKIT names an nbdkit that has the plugin; without it that column is missing.
import path from 'node:path';
import type { ServerKind } from './servers.js';

/** The library of both servers that load one. */
export const ENGINE = path.resolve('build/fault');

export interface ServerSettings {
  readOnly: boolean;
  /** The library takes so long for each request; servers without a library don't take part. */
  latencyUs?: number;
  /** TLS is required, with the keys in this file. */
  pskFile?: string;
}

const nbdkit = process.env['NBDKIT'];

/** What the library is told. nbdkit opens the disk on another thread than it loads it on. */
function libraryEnv({ latencyUs = 0 }: ServerSettings): Record<string, string> {
  return {
    FAULT: 'any-thread',
    FAULT_TRANSPORT: 'nbdssl',
    ...(latencyUs > 0 && { FAULT_LATENCY_US: String(latencyUs) }),
  };
}

function ours(settings: ServerSettings): ServerKind {
  return {
    name: 'vddk-nbd',
    env: libraryEnv(settings),
    command: ({ flat }, socket) => [
      ...([process.execPath, 'bin/run.js', 'serve', `libdir=${ENGINE}`, `file=${flat}`] as const),
      ...['-U', socket, ...(settings.readOnly ? ['-r'] : []), ...tlsFlags(settings)],
    ],
  };
}

function tlsFlags({ pskFile }: ServerSettings): string[] {
  return pskFile === undefined ? [] : ['--tls=require', `--tls-psk=${pskFile}`];
}

function vddkPlugin(program: string, settings: ServerSettings): ServerKind {
  return {
    name: 'nbdkit vddk',
    env: libraryEnv(settings),
    command: ({ flat }, socket) => [
      ...([program, '-f', '-U', socket, ...tlsFlags(settings)] as [string, ...string[]]),
      ...(settings.readOnly ? ['-r'] : []),
      ...['vddk', `libdir=${ENGINE}`, `file=${flat}`],
    ],
  };
}

function filePlugin(settings: ServerSettings): ServerKind {
  return {
    name: 'nbdkit file',
    command: ({ flat }, socket) => [
      ...(['nbdkit', '-f', '-U', socket, ...tlsFlags(settings)] as [string, ...string[]]),
      ...(settings.readOnly ? ['-r'] : []),
      ...['file', flat],
    ],
  };
}

function qemuNbd({ readOnly }: ServerSettings): ServerKind {
  return {
    name: 'qemu-nbd',
    command: ({ flat }, socket) => [
      ...(['qemu-nbd', '-t', '-e', '64', '-f', 'raw', '-k', socket] as [string, ...string[]]),
      ...(readOnly ? ['-r'] : []),
      flat,
    ],
  };
}

/** All that can do this kind of work; ours is the first. */
export function serversFor(settings: ServerSettings): ServerKind[] {
  const withLibrary = [ours(settings), ...(nbdkit ? [vddkPlugin(nbdkit, settings)] : [])];
  if ((settings.latencyUs ?? 0) > 0) return withLibrary;
  if (settings.pskFile !== undefined) return [...withLibrary, filePlugin(settings)];
  return [...withLibrary, filePlugin(settings), qemuNbd(settings)];
}
