// How the values of parameters are spelled: nbdkit's booleans, sizes and numbers, thumbprints,
// references of objects, host names. Pure; used by the rows of parameter-table.ts.
// The rule: what isn't understood is refused with what to write instead, never passed on.
import { isIPv6 } from 'node:net';
import { VddkNbdError } from '../base/errors.js';
import { SECTOR_BYTES } from '../base/limits.js';
import { hasRawBytes } from '../base/raw-text.js';
import { nearest } from './nearest.js';

/** Reads the text of the parameter `key`; throws VddkNbdError USAGE. */
export type Parse<Value> = (text: string, key: string) => Value;

/** The error for a value that can't be right. */
export function badValue(key: string, problem: string, hint: string): VddkNbdError {
  return new VddkNbdError('USAGE', `${key}=: ${problem}`, { hint });
}

/** `text`, if it is UTF-8: node can't name files in anything else, nor does a server know it. */
export function requireUtf8(text: string, key: string): string {
  if (!hasRawBytes(text)) return text;
  throw badValue(
    key,
    `'${text}' is not UTF-8`,
    'Write it in UTF-8; a file can be named by a symbolic link whose name is.',
  );
}

/** Any text but the empty one. */
export const parseText: Parse<string> = (text, key) => {
  if (text !== '') return text;
  throw new VddkNbdError('USAGE', `${key}= is empty`, { hint: 'Give it a value.' });
};

/** Anything at all: for what is ignored. */
export const parseAnything: Parse<string> = (text) => text;

const TRUE = ['1', 'true', 't', 'yes', 'y', 'on'];
const FALSE = ['0', 'false', 'f', 'no', 'n', 'off'];

/** A boolean as nbdkit spells it. */
export const parseBoolean: Parse<boolean> = (text, key) => {
  const word = text.toLowerCase();
  if (TRUE.includes(word)) return true;
  if (FALSE.includes(word)) return false;
  throw badValue(key, `'${text}' is neither true nor false`, `Write ${key}=true or ${key}=false.`);
};

const SIZE_SUFFIXES = 'bkmgtpe';

/** Bytes of a size as nbdkit spells it: a whole number and b, k, M, G, T, P, E or s (sectors). */
export const parseSize: Parse<number> = (text, key) => {
  const match = /^\+?(\d+)([bkmgtpes]?)$/i.exec(text);
  const suffix = (match?.[2] ?? '').toLowerCase();
  const factor = suffix === 's' ? SECTOR_BYTES : 1024 ** Math.max(SIZE_SUFFIXES.indexOf(suffix), 0);
  const bytes = match ? Number(match[1]) * factor : NaN;
  if (Number.isNaN(bytes)) {
    throw badValue(key, `'${text}' is not a size`, `Write it like ${key}=10G or ${key}=2048s.`);
  }
  if (!Number.isSafeInteger(bytes)) {
    throw badValue(key, `'${text}' is too large`, 'The largest disk has 8 PiB.');
  }
  return bytes;
};

/** The size of a disk: whole sectors, at least one. */
export const parseDiskSize: Parse<number> = (text, key) => {
  const bytes = parseSize(text, key);
  if (bytes > 0 && bytes % SECTOR_BYTES === 0) return bytes;
  throw badValue(
    key,
    `a disk can't have ${bytes} bytes`,
    `The size is a multiple of ${SECTOR_BYTES}, and more than 0.`,
  );
};

/** An unsigned number of at most 16 bits: decimal, 0x hexadecimal, or octal with a leading 0. */
export const parseUint16: Parse<number> = (text, key) => {
  const value = /^(?:0x[0-9a-f]+|[1-9]\d*|0)$/i.test(text)
    ? Number(text)
    : /^0[0-7]+$/.test(text)
      ? parseInt(text, 8)
      : NaN;
  if (value <= 0xffff) return value;
  throw badValue(key, `'${text}' is not a number from 0 to 65535`, 'Write it in digits.');
};

/** One of the names in `choices`, as what the name stands for. */
export function parseChoice<Value>(choices: Readonly<Record<string, Value>>): Parse<Value> {
  return (text, key) => {
    const value = Object.hasOwn(choices, text) ? choices[text] : undefined;
    if (value !== undefined) return value;
    const names = Object.keys(choices) as [string, ...string[]];
    throw badValue(
      key,
      `there is no '${text}'`,
      `Did you mean ${key}=${nearest(text, names)}? Known are ${names.join(', ')}.`,
    );
  };
}

/** Hex digits of the two kinds of thumbprint. */
const SHA1_DIGITS = 40;
const SHA256_DIGITS = 64;

/** SHA-1 or SHA-256; case and separators don't matter. Returns upper case with colons. */
export const parseThumbprint: Parse<string> = (text, key) => {
  const digits = text.replace(/^sha-?(?:1|256)\s*(?:fingerprint)?\s*[=:]\s*/i, '');
  const bare = digits.replace(/[\s:.-]/g, '').toUpperCase();
  const long = bare.length === SHA1_DIGITS || bare.length === SHA256_DIGITS;
  if (long && /^[0-9A-F]+$/.test(bare)) return (bare.match(/../g) ?? []).join(':');
  throw badValue(
    key,
    `'${text}' is not a thumbprint, which has 20 (SHA-1) or 32 (SHA-256) pairs of hex digits`,
    `To learn the real one, pass ${key}=${Array(20).fill('00').join(':')}: the error tells it.`,
  );
};

const MOREF_HELP =
  'On vCenter it is like vm=moref=vm-16, on an ESXi host like vm=moref=2; ' +
  'the same machine has different ones on the two.';

/** `moref=ID` of a virtual machine, as the library wants it. */
export const parseVm: Parse<string> = (text, key) => {
  if (/^moref=[A-Za-z0-9_-]+$/.test(text)) return text;
  if (/^(?:vm-)?\d+$/.test(text)) {
    throw badValue(key, `'${text}' lacks moref=`, `Write ${key}=moref=${text}. ${MOREF_HELP}`);
  }
  throw badValue(key, `'${text}' is not moref=ID`, MOREF_HELP);
};

/** The reference of a snapshot. */
export const parseSnapshot: Parse<string> = (text, key) => {
  const moref = text.replace(/^moref=/, '');
  if (/^[A-Za-z0-9_-]+$/.test(moref)) return moref;
  throw badValue(
    key,
    `'${text}' is not the reference of a snapshot`,
    'It is like snapshot-47 on vCenter and like 2-snapshot-1 on an ESXi host.',
  );
};

/** A host name or address: no scheme, no port. */
export const parseServer: Parse<string> = (text, key) => {
  const address = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  if (isIPv6(address)) return address;
  // Not the text itself: there may be a password in it.
  if (/[@=,]/.test(text)) {
    const hint = `Write ${key}=HOST user=NAME password=+FILE, each an argument of its own.`;
    throw badValue(key, 'there is a login or another parameter in it', hint);
  }
  const port = /^([^:/]+):(\d+)$/.exec(text);
  if (port) {
    const [, host, number] = port as unknown as [string, string, string];
    throw badValue(key, `'${text}' has a port`, `Write ${key}=${host} port=${number}.`);
  }
  if (/^[^\s:/?#@]+$/.test(text)) return text;
  throw badValue(key, `'${text}' is not a host name`, `Write only the name: ${key}=esxi.example.`);
};

/** Modes of transport that VDDK has had; there may be others. */
export const TRANSPORT_MODES = ['file', 'nbd', 'nbdssl', 'san', 'hotadd'] as const;

/** A list with colons, at least one name. */
export const parseTransports: Parse<string> = (text, key) => {
  if (/^[a-z0-9]+(?::[a-z0-9]+)*$/i.test(text)) return text;
  throw badValue(
    key,
    `'${text}' is not a list of transport modes`,
    `Write it like ${key}=nbdssl:nbd; known are ${TRANSPORT_MODES.join(', ')}.`,
  );
};
