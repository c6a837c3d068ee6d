// The pattern of export=: which names of files a client may choose. Pure; fnmatch(3) without flags,
// so `*` and `?` match a slash too, `\` takes the special meaning of what follows, and `[...]` is a
// set. The rule: the whole name must match, and a name is never interpreted.
import { badValue, type Parse } from './values.js';

/** End (exclusive) of the set that begins at `[`, or -1 if there is no `]`. */
function endOfSet(pattern: string, start: number): number {
  let at = start + 1;
  if (pattern[at] === '!' || pattern[at] === '^') at += 1;
  // A ] that comes first is a member.
  if (pattern[at] === ']') at += 1;
  while (at < pattern.length && pattern[at] !== ']') at += pattern[at] === '\\' ? 2 : 1;
  return at < pattern.length ? at + 1 : -1;
}

/** A set of characters as part of a regular expression. */
function setToRegExp(set: string): string {
  let inside = set.slice(1, -1);
  const negated = /^[!^]/.test(inside);
  if (negated) inside = inside.slice(1);
  let members = '';
  for (let at = 0; at < inside.length; at += 1) {
    let character = inside[at] ?? '';
    if (character === '-' && at > 0 && at < inside.length - 1) {
      members += '-';
      continue;
    }
    if (character === '\\') character = inside[(at += 1)] ?? '\\';
    members += character.replace(/[\\\]^[-]/, '\\$&');
  }
  return `[${negated ? '^' : ''}${members}]`;
}

/**
 * The pattern as a regular expression; undefined where a set has no end, or a range no sense.
 */
export function wildcardToRegExp(pattern: string): RegExp | undefined {
  let source = '';
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern[at] ?? '';
    if (character === '*') {
      source += '[^]*';
    } else if (character === '?') {
      source += '[^]';
    } else if (character === '[') {
      const end = endOfSet(pattern, at);
      if (end === -1) return undefined;
      source += setToRegExp(pattern.slice(at, end));
      at = end - 1;
    } else {
      const literal = character === '\\' ? (pattern[(at += 1)] ?? '') : character;
      if (literal === '') return undefined;
      source += literal.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
    }
  }
  try {
    return new RegExp(`^${source}$`, 'u');
  } catch {
    return undefined; // [z-a]
  }
}

/** Whether a client may have the disk `name`. `pattern` has been validated by parseWildcard. */
export function matchesWildcard(pattern: string, name: string): boolean {
  return wildcardToRegExp(pattern)?.test(name) ?? false;
}

/** A pattern that can match something. */
export const parseWildcard: Parse<string> = (text, key) => {
  if (text === '') {
    throw badValue(key, 'the pattern is empty', `Write it like ${key}='\\[ds1\\] vm/*.vmdk'.`);
  }
  if (wildcardToRegExp(text) === undefined) {
    throw badValue(
      key,
      `'${text}' is not a pattern`,
      'Write \\[ and \\] for the brackets of a datastore, and \\\\ for a backslash.',
    );
  }
  // Else it would match one character of the name of the datastore, and no disk.
  if (/^\[[^\]]*\] /.test(text)) {
    throw badValue(
      key,
      'a datastore in plain brackets would match one letter of its name',
      `Write \\[ and \\]: ${key}='${text.replace(/^\[([^\]]*)\]/, '\\[$1\\]')}'.`,
    );
  }
  return text;
};
