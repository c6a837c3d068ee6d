// Takes secrets that were given literally out of the arguments that `ps` shows of this process.
// The rule: they were public until then, so this is a plaster, and the user is told so.
import { readFileSync } from 'node:fs';
import { SECRET_KEYS } from '../vddk/parameter-table.js';

/** Whether `argument` has a secret in it, rather than where one is. */
export function hasLiteralSecret(argument: string): boolean {
  return SECRET_KEYS.some(
    (key) => argument.startsWith(`${key}=`) && /^[^+-]/s.test(argument.slice(key.length + 1)),
  );
}

/** `argument` with stars for the secret. */
function masked(argument: string): string {
  return hasLiteralSecret(argument) ? argument.replace(/=.*$/s, '=***') : argument;
}

/**
 * The bytes of `text`, an argument of ours. Node decodes arguments as UTF-8; where that loses
 * bytes, they are taken from the kernel.
 */
export function bytesOfArgument(text: string): Buffer {
  if (!text.includes('\ufffd')) return Buffer.from(text);
  const cmdline = readFileSync('/proc/self/cmdline');
  for (let start = 0; start < cmdline.length;) {
    const zero = cmdline.indexOf(0, start);
    const argument = cmdline.subarray(start, zero === -1 ? cmdline.length : zero);
    if (argument.toString() === text) return Buffer.from(argument);
    start += argument.length + 1;
  }
  return Buffer.from(text);
}

/** Overwrites the arguments of this process if one of `argv` is secret. */
export function hideArgv(argv: readonly string[]): void {
  if (!argv.some(hasLiteralSecret)) return;
  // Node writes the title over the memory of the arguments, and zeroes what is left of it.
  process.title = ['vddk-nbd', ...process.argv.slice(2).map(masked)].join(' ');
}
