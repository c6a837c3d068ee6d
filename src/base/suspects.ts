// Hides from the log what looks like a secret in words that nobody has understood yet: a mistyped
// parameter, or one that has become part of another, would otherwise be shown by the message about
// it. Told all arguments by the commands, before they parse them, and all lines of --params.
// The rule: this only makes messages say less; what a word means is decided elsewhere.
import { SUSPECTS_MAX } from './limits.js';
import { hideFromLogs } from './log.js';
import { bytesOf } from './raw-text.js';

/** A parameter, whatever it is glued to; not in a path, where it is part of a name. */
const PARAMETER = '(?<!/)(?:password|cookie)=';
/** What else passwords and cookies are called, as a word, and what stands behind the name then. */
const NAME = '(?:password|passwd|passwort|passphrase|cookie)';
const OTHER = `(?<![a-z/])(?:${NAME}\\s*["'\\\\]*[=:,＝]|(?:pass|pwd)=)`;
/** With the secret, which may be in quotes. */
const SUSPECT = new RegExp(`(?:${PARAMETER}|${OTHER})\\s*["']?(.+?)["']?$`, 'is');
const CUT_OFF = new RegExp(`^-*${NAME}\\s*[=:]?$`, 'i');
/** It says where the secret is (it is asked for, in a descriptor, in a file), or is a disk. */
const NO_SECRET = /^(?:-\d*$|[+[/])/;
/** What may follow an empty secret: another parameter, or the disk. */
const PARAMETER_OR_DISK = /^(?:[a-z][a-z-]*=|\[|\/)/;

/** What looks like a secret with its name in `word`; undefined: nothing does. */
export function suspectOf(word: string): string | undefined {
  const secret = SUSPECT.exec(word)?.[1];
  return secret === undefined || NO_SECRET.test(secret) ? undefined : secret;
}

/** Whether a blank has cut what follows `word` from it; behind a flag it is the value of that. */
function isCutOff(word: string, before: string): boolean {
  return CUT_OFF.test(word) && (/^-|[=:]$/.test(word) || !before.startsWith('-'));
}

function hide(secret: string): void {
  hideFromLogs(bytesOf(secret));
  // Some values are shown in lower case.
  hideFromLogs(bytesOf(secret.toLowerCase()));
}

/**
 * Hides what looks like a secret in `words`: behind its name, or cut off from it by a blank. No
 * more than SUSPECTS_MAX, for each line of the log is searched for all of them.
 */
export function hideSuspects(words: readonly string[]): void {
  let leftCount = SUSPECTS_MAX;
  for (const [index, word] of words.entries()) {
    const secret = suspectOf(word);
    const cutOff =
      isCutOff(words[index - 1] ?? '', words[index - 2] ?? '') && !PARAMETER_OR_DISK.test(word);
    if (secret === undefined && !cutOff) continue;
    if (leftCount-- === 0) return;
    if (secret !== undefined) hide(secret);
    if (!cutOff) continue;
    hide(word);
    // The value of a flag of one letter is shown without it.
    if (/^-[^-]/.test(word)) hide(word.slice(2));
  }
}
