// The `key=value` arguments of a command line, with the names that nbdkit's vddk plugin gave them.
// Pure: strings in, a record out; nothing is looked up on the machine.
// The rule: an argument that isn't understood is an error that names the nearest known one.
import { VddkNbdError } from '../base/errors.js';

export type Engine = 'auto' | 'vddk' | 'builtin';

const ENGINES: readonly Engine[] = ['auto', 'vddk', 'builtin'];
const KEYS = ['engine', 'file', 'libdir'] as const;
type Key = (typeof KEYS)[number];

/** What the arguments said. */
export interface DiskParameters {
  /** Undefined only if other disks are named elsewhere. */
  file: string | undefined;
  libdir: string | undefined;
  engine: Engine;
}

/** Edits (insert, delete, replace one character) that make `b` of `a`. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      current.push(
        Math.min(
          (previous[column] ?? 0) + 1,
          (current[column - 1] ?? 0) + 1,
          (previous[column - 1] ?? 0) + same,
        ),
      );
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** The one of `known` that takes the fewest edits; the first of equals. */
export function nearest<Name extends string>(
  name: string,
  known: readonly [Name, ...Name[]],
): Name {
  let best = known[0];
  for (const candidate of known) {
    if (editDistance(name, candidate) < editDistance(name, best)) best = candidate;
  }
  return best;
}

/** `key=value` in two; undefined if the part before '=' could not be a key (a path, say). */
function splitArgument(argument: string): [string, string] | undefined {
  const match = /^([A-Za-z][A-Za-z0-9_.-]*)=(.*)$/s.exec(argument);
  return match ? [match[1] ?? '', match[2] ?? ''] : undefined;
}

function parseEngine(value: string | undefined): Engine {
  if (value === undefined) return 'auto';
  const engine = ENGINES.find((name) => name === value);
  if (engine !== undefined) return engine;
  throw new VddkNbdError('USAGE', `unknown engine '${value}'`, {
    hint: `Use engine=${ENGINES.join(', engine=')}.`,
  });
}

/** Where argument number `index` belongs, and its value. */
function classify(argument: string, index: number): [Key, string] {
  const parts = splitArgument(argument);
  if (parts === undefined) {
    if (index === 0) return ['file', argument];
    throw new VddkNbdError('USAGE', `'${argument}' is not a parameter`, {
      hint: 'Parameters are written key=value; only the first may be a bare file name.',
    });
  }
  const key = KEYS.find((name) => name === parts[0]);
  if (key !== undefined) return [key, parts[1]];
  throw new VddkNbdError('USAGE', `unknown parameter '${parts[0]}'`, {
    hint: `Did you mean ${nearest(parts[0], KEYS)}=? Known are ${KEYS.join(', ')}.`,
  });
}

/**
 * Reads the arguments of one disk. A bare first argument is the file; it must be given unless the
 * server has `otherDisks`.
 * @throws VddkNbdError USAGE for an unknown, doubled, empty or missing parameter.
 */
export function parseParameters(argv: readonly string[], otherDisks = false): DiskParameters {
  const values = new Map<Key, string>();
  for (const [index, argument] of argv.entries()) {
    const [key, value] = classify(argument, index);
    if (values.has(key)) {
      throw new VddkNbdError('USAGE', `${key}= is given twice`, { hint: 'Give it once.' });
    }
    if (value === '') {
      throw new VddkNbdError('USAGE', `${key}= is empty`, { hint: 'Give it a value.' });
    }
    values.set(key, value);
  }
  const engine = parseEngine(values.get('engine'));
  const file = values.get('file');
  if (file === undefined && !otherDisks) {
    throw new VddkNbdError('USAGE', 'no disk is given', {
      hint: 'Name a VMDK by its absolute path: vddk-nbd serve file=/path/disk.vmdk.',
    });
  }
  return { file, libdir: values.get('libdir'), engine };
}
