// Where log lines go: --log, with nbdkit's values. Part of the command line, used by commands/.
// The rule: a log that can't be written is no reason to stop serving.
import { openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { messageOf, VddkNbdError } from '../base/errors.js';

/** For the owner and the group, as other logs. */
const LOG_MODE = 0o640;

function toFile(file: string): (line: string) => void {
  let fd: number;
  try {
    fd = openSync(file, 'a', LOG_MODE);
  } catch (cause) {
    throw new VddkNbdError('START', `the log can't be written: ${messageOf(cause)}`, {
      hint: 'Check the path given with --log.',
      cause,
    });
  }
  return (line) => {
    try {
      writeSync(fd, line);
    } catch {
      // A full disk: the clients matter more than the line.
    }
  };
}

/**
 * Writes lines to where `target` says: `default` and `stderr`, `null`, or an absolute path.
 * @throws VddkNbdError for another one, or for a file that can't be written
 */
export function openLog(target: string | undefined): (line: string) => void {
  switch (target) {
    case undefined:
    case 'default':
    case 'stderr':
      return (line) => process.stderr.write(line);
    case 'null':
      return () => undefined;
    case 'syslog':
      throw new VddkNbdError('USAGE', '--log=syslog is not supported', {
        hint: 'Add 2>&1 | logger -t vddk-nbd; systemd keeps what a service prints by itself.',
      });
    default:
      if (path.isAbsolute(target)) return toFile(target);
      throw new VddkNbdError('USAGE', `--log=${target} is no absolute path`, {
        hint: 'Use stderr, null, or the absolute path of a file.',
      });
  }
}
