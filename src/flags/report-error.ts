// How a command ends that failed: one line with a remedy on stderr, exit code 1, no stack.
// The rule: oclif's own errors end like ours.
import { stripVTControlCharacters } from 'node:util';
import type { Command } from '@oclif/core';
import { messageOf, VddkNbdError } from '../base/errors.js';
import { createLog, printable } from '../base/log.js';

/** oclif's own messages have several lines, colours, and a last line that we say better. */
function oneLine(message: string): string {
  // Secrets first: with other blanks in them they would not be found.
  return printable(stripVTControlCharacters(message))
    .replace(/\s*See more help with --help$/, '')
    .replace(/^Parsing --\S+\s+/, '')
    .replace(/\s+/g, ' ')
    .replace(/\.? *$/, '')
    .trim();
}

/**
 * `text` without what stands behind the = or : of arguments that are no flags: oclif shows a flag
 * that doesn't exist as it was given, and --password=SECRET is one. With -password=SECRET it is
 * the value of -p.
 */
function withoutValues(text: string, argv: readonly string[]): string {
  const isUnknownFlag = text.includes('Nonexistent flag');
  const suspects = isUnknownFlag ? /^-/ : /^-[^-]/;
  let masked = text;
  for (const argument of argv.filter((it) => suspects.test(it))) {
    for (const shown of [argument, argument.slice(2)]) {
      const nameEnd = shown.search(isUnknownFlag ? /[=:]/ : /=/);
      if (nameEnd <= 0) continue;
      masked = masked.replaceAll(shown, () => `${shown.slice(0, nameEnd + 1)}***`);
    }
  }
  return masked;
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
  error: Error & { code?: unknown },
  argv: readonly string[],
): Promise<never> {
  // An exit, and no failure. --version exits while it is parsed, which changes the message.
  if (error.code === 'EEXIT') return Promise.reject(error);
  const log = createLog({
    write: (line) => process.stderr.write(line),
    verbose: false,
    json: argv.includes('--json'),
  });
  const shown = (text: string): string =>
    error instanceof VddkNbdError ? text : withoutValues(text, argv);
  const message = oneLine(shown(messageOf(error)));
  const hint = hintFor(error, message, command.id ?? '');
  log.error(hint === undefined ? message : `${message}. ${hint}`, {
    ...(error instanceof VddkNbdError && { code: error.code, ...error.details }),
    remedy: hint,
  });
  if (process.env['DEBUG']) {
    // The message is said already, and may have a secret in it that is cut by these lines.
    const places = (error.stack ?? '').split('\n').filter((line) => /^ +at /.test(line));
    for (const line of places) process.stderr.write(`    ${printable(line)}\n`);
  }
  command.exit(1);
}
