// Runs other programs: the command of --run beside the server, and the built-in engine's checker.
// The only user of execa in this folder, loaded only when one is run. The rule: the command's
// environment is ours plus five variables; nothing that the disk library needs leaks into it.
import { constants } from 'node:os';
import { execa } from 'execa';
import { checkSpawnDescriptors } from '../base/descriptors.js';

/** A running command. */
export interface RunningCommand {
  /** Its exit code, or 128 + the number of the signal that ended it, as a shell says it. */
  readonly exitCode: Promise<number>;
  /** Asks it to end. */
  terminate(): void;
}

/** Starts `sh -c command` with our stdin, stdout and stderr. Throws EMFILE. */
export function startCommand(
  command: string,
  variables: Readonly<Record<string, string>>,
): RunningCommand {
  checkSpawnDescriptors();
  const child = execa('sh', ['-c', command], {
    env: variables,
    stdio: 'inherit',
    reject: false,
    // A command that ignores SIGTERM is left alone: it may be finishing a copy.
    forceKillAfterDelay: false,
  });
  return {
    exitCode: child.then((result) => {
      if (result.exitCode !== undefined) return result.exitCode;
      return result.signal === undefined ? 127 : 128 + constants.signals[result.signal];
    }),
    terminate: () => {
      child.kill('SIGTERM');
    },
  };
}

/**
 * Runs a program of ours to its end, with our stdin, stdout and stderr; returns its exit code, or
 * 128 + the number of the signal that ended it. Rejects with EMFILE.
 */
export async function runProgram(file: string, args: readonly string[]): Promise<number> {
  checkSpawnDescriptors();
  const result = await execa(file, args, { stdio: 'inherit', reject: false });
  if (result.exitCode !== undefined) return result.exitCode;
  return result.signal === undefined ? 127 : 128 + constants.signals[result.signal];
}
