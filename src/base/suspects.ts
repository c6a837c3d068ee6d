// Hides from the log what looks like a secret in words that nobody has understood yet: a mistyped
// parameter, or one that has become part of another, would otherwise be shown by the message about
// it. Told all arguments by the commands, before they parse them, and all lines of --params.
// The rule: this only makes messages say less; what a word means is decided elsewhere.
import { hideFromLogs } from './log.js';
import { bytesOf } from './raw-text.js';

/** What passwords and cookies are called, here and by others. */
const NAME = '(?:pass(?:w(?:or)?d)?|pwd|cookie)';
/** The name, what may stand between, quotes included, and the secret. */
const SUSPECT = new RegExp(`${NAME}\\s*["'\\\\]*[=:,＝]\\s*["']?(.+?)["']?$`, 'is');
const CUT_OFF = new RegExp(`^-*${NAME}\\s*[=:]?$`, 'i');
/** It says where the secret is: it is asked for, in a descriptor, or in a file. */
const REFERENCE = /^(?:-\d*|\+.*)$/s;
/** What may follow an empty secret: another parameter, or the disk. */
const PARAMETER_OR_DISK = /^(?:[a-z][a-z-]*=|\[|\/)/;

/** Whether `word` has something in it that looks like a secret with its name. */
export function hasSuspect(word: string): boolean {
  const secret = SUSPECT.exec(word)?.[1];
  return secret !== undefined && !REFERENCE.test(secret);
}

/** Hides what looks like a secret in `words`: behind its name, or cut off from it by a blank. */
export function hideSuspects(words: readonly string[]): void {
  for (const [index, word] of words.entries()) {
    if (hasSuspect(word)) hideFromLogs(bytesOf(SUSPECT.exec(word)?.[1] ?? ''));
    if (!CUT_OFF.test(words[index - 1] ?? '') || PARAMETER_OR_DISK.test(word)) continue;
    hideFromLogs(bytesOf(word));
    // The value of a flag of one letter is shown without it.
    if (word.startsWith('-')) hideFromLogs(bytesOf(word.slice(2)));
  }
}
