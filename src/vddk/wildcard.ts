// The pattern of export=: which names of files a client may choose. Pure; fnmatch(3) without flags,
// so `*` and `?` match a slash too, `\` takes the special meaning of what follows, and `[...]` is a
// set. The rules: the whole name must match, a name is never interpreted, and no name that a client
// thinks up takes longer than its length times that of the pattern.
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

/** What one character of a name must be; undefined is a star. */
type Token = ((character: string) => boolean) | undefined;

const anything: Token = () => true;

function oneOf(set: string): Token {
  const expression = new RegExp(setToRegExp(set), 'u');
  return (character) => expression.test(character);
}

/** The tokens of a pattern; undefined where a set has no end, or a range no sense. */
function tokensOf(pattern: string): Token[] | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern[at] ?? '';
    if (character === '*') {
      tokens.push(undefined);
    } else if (character === '?') {
      tokens.push(anything);
    } else if (character === '[') {
      const end = endOfSet(pattern, at);
      if (end === -1) return undefined;
      try {
        tokens.push(oneOf(pattern.slice(at, end)));
      } catch {
        return undefined; // [z-a]
      }
      at = end - 1;
    } else {
      if (character === '\\') at += 1;
      const code = pattern.codePointAt(at);
      if (code === undefined) return undefined;
      const literal = String.fromCodePoint(code);
      tokens.push((other) => other === literal);
      at += literal.length - 1;
    }
  }
  return tokens;
}

/** Whether `pattern` is one. */
export function isWildcard(pattern: string): boolean {
  return tokensOf(pattern) !== undefined;
}

/** Whether a client may have the disk `name`. `pattern` has been validated by parseWildcard. */
export function matchesWildcard(pattern: string, name: string): boolean {
  const tokens = tokensOf(pattern);
  if (tokens === undefined) return false;
  const characters = Array.from(name);
  let token = 0;
  let at = 0;
  // The last star, and how much it has taken: an earlier one need never take more.
  let star = -1;
  let starEnd = 0;
  while (at < characters.length) {
    const wanted = tokens[token];
    if (token < tokens.length && wanted === undefined) {
      star = token++;
      starEnd = at;
    } else if (wanted?.(characters[at] ?? '') === true) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++starEnd;
    } else {
      return false;
    }
  }
  return tokens.slice(token).every((rest) => rest === undefined);
}

/** A pattern that can match something. */
export const parseWildcard: Parse<string> = (text, key) => {
  if (text === '') {
    throw badValue(key, 'the pattern is empty', `Write it like ${key}='\\[ds1\\] vm/*.vmdk'.`);
  }
  if (!isWildcard(text)) {
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
