// How a command ends that failed: one line with a remedy on stderr, exit code 1, no stack.
// The rule: oclif's own errors end like ours.
import { stripVTControlCharacters } from 'node:util';
import type { Command } from '@oclif/core';
import { messageOf, VddkNbdError } from '../base/errors.js';
import { createLog } from '../base/log.js';

/** oclif's own messages have several lines, colours, and a last line that we say better. */
function oneLine(message: string): string {
  return stripVTControlCharacters(message)
    .replace(/\s*See more help with --help$/, '')
    .replace(/^Parsing --\S+\s+/, '')
    .replace(/\s+/g, ' ')
    .replace(/\.? *$/, '')
    .trim();
}

/** What to do about `error`, whose line is `message`. */
function hintFor(error: Error, message: string, command: string): string | undefined {
  // Anything may fail by it, a lazy import too.
  if (/\bE[MN]FILE\b/.test(message)) return 'Raise the limit of open files (ulimit -n 1024).';
  return error instanceof VddkNbdError ? error.hint : `See vddk-nbd ${command} --help.`;
}

/** Says what is wrong and exits; `argv` is what the command was given, for its flags may be it. */
export function reportError(
  command: Command,
  error: Error & { oclif?: { exit?: number } },
  argv: readonly string[],
): Promise<never> {
  if (error.oclif?.exit !== undefined && error.message.startsWith('EEXIT'))
    return Promise.reject(error);
  const log = createLog({
    write: (line) => process.stderr.write(line),
    verbose: false,
    json: argv.includes('--json'),
  });
  const message = oneLine(messageOf(error));
  const hint = hintFor(error, message, command.id ?? '');
  log.error(hint === undefined ? message : `${message}. ${hint}`, {
    ...(error instanceof VddkNbdError && { code: error.code, ...error.details }),
    remedy: hint,
  });
  if (process.env['DEBUG']) process.stderr.write(`${error.stack ?? ''}\n`);
  command.exit(1);
}
