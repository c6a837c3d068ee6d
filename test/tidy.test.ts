// The rules of the house that no other tool counts: sizes, headers, words, and who imports whom.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { forbidden, layerOf } from '../scripts/layers.js';
import { CALL_OPS, IO_OPS } from '../src/helper/protocol.js';

const REPO = path.resolve(import.meta.dirname, '..');
const FILE_LINES_MAX = 500;
const LINE_COLUMNS_MAX = 100;
const FUNCTION_LINES_MAX = 70;
const FOLDERS = ['bin', 'src', 'helper', 'test', 'scripts'];
const SOURCE = /\.(?:ts|js|mjs|c|h|sh)$/;

/** All source files below the folders, relative to the repository. */
const files = FOLDERS.flatMap((folder) =>
  readdirSync(path.join(REPO, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(folder, name))
    .filter((name) => SOURCE.test(name) && !name.includes('.tap')),
);

function read(file: string): string {
  return readFileSync(path.join(REPO, file), 'utf8');
}

/** Every line of every file for which `wrong` says so, as `file:line: text`. */
function lines(wrong: (line: string, file: string) => boolean): string[] {
  return files.flatMap((file) =>
    read(file)
      .split('\n')
      .map((line, index) => (wrong(line, file) ? `${file}:${index + 1}: ${line.trim()}` : ''))
      .filter((text) => text !== ''),
  );
}

t.test('there is something to look at', (t) => {
  t.ok(files.length > 100, `${files.length} files`);
  t.ok(files.includes('helper/main.c') && files.includes('src/disk/disk.ts'));
  t.end();
});

t.test('sizes', (t) => {
  const long = files.filter((file) => read(file).split('\n').length - 1 > FILE_LINES_MAX);
  t.same(long, [], `no file over ${FILE_LINES_MAX} lines`);
  t.same(
    lines((line) => line.length > LINE_COLUMNS_MAX),
    [],
    `no line over ${LINE_COLUMNS_MAX} columns`,
  );
  t.end();
});

/** Functions of a C file in this style: from a `{` to a `}` that stand alone in column 0. */
function* cFunctions(text: string): Generator<[start: number, length: number]> {
  let start = 0;
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '{') start = index;
    if (line === '}' && start > 0) {
      yield [start, index - start + 1];
      start = 0;
    }
  }
}

t.test('functions in C', (t) => {
  const long: string[] = [];
  for (const file of files.filter((name) => name.endsWith('.c'))) {
    for (const [start, length] of cFunctions(read(file))) {
      if (length > FUNCTION_LINES_MAX) long.push(`${file}:${start}: ${length} lines`);
    }
  }
  t.same(long, [], `no function over ${FUNCTION_LINES_MAX} lines`);
  t.end();
});

t.test('every file says what it is', (t) => {
  const silent = files.filter((file) => {
    const [first = '', second = ''] = read(file).split('\n');
    if (/\.[ch]$/.test(file)) return !/SPDX-License-Identifier: BSD-3-Clause/.test(first);
    const header = first.startsWith('#!') ? second : first;
    return !/^(?:\/\/|#|\/\*\*?) ?\S/.test(header) && file !== 'bin/run.js';
  });
  t.same(silent, []);
  t.end();
});

t.test('words that promise instead of doing, and tests that hide others', (t) => {
  // Cut in two, so that this file is not found.
  const words = new RegExp(
    ['TO' + 'DO', 'FIX' + 'ME', '\\bXX' + 'X\\b', 'for n' + 'ow\\b'].join('|'),
  );
  t.same(
    lines((line) => words.test(line)),
    [],
  );
  t.same(
    lines((line, file) => /\.only\(|\bdebugger\b/.test(line) && file.startsWith('test/')),
    [],
    'no test that hides the others',
  );
  t.end();
});

/** Static and lazy imports of a TypeScript file. */
function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
}

t.test('imports run one way', (t) => {
  const wrong: string[] = [];
  for (const file of files.filter((name) => name.startsWith('src/'))) {
    const below = file.slice('src/'.length);
    const layer = layerOf(below);
    if (layer === undefined) {
      wrong.push(`${file} is in no layer`);
      continue;
    }
    for (const specifier of importsOf(read(file))) {
      const reason = forbidden(layer, path.dirname(below), specifier);
      if (reason !== undefined) wrong.push(`${file}: ${reason}`);
    }
  }
  t.same(wrong, []);
  t.end();
});

t.test('the import rule bites', (t) => {
  const server = layerOf('server/listener.ts')!;
  t.ok(forbidden(server, 'server', '../supervisor/supervisor.js'));
  t.ok(forbidden(server, 'server', 'execa'));
  t.notOk(forbidden(server, 'server', '../nbd/constants.js'));
  t.notOk(forbidden(server, 'server', './listener.js'));
  t.end();
});

t.test('no import goes round in a circle', (t) => {
  const edges = new Map<string, string[]>();
  for (const file of files.filter((name) => name.startsWith('src/'))) {
    const targets = importsOf(read(file)).filter((specifier) => specifier.startsWith('.'));
    edges.set(
      file,
      targets.map((target) => path.join(path.dirname(file), target).replace(/\.js$/, '.ts')),
    );
  }
  const done = new Set<string>();
  const visit = (file: string, trail: string[]): string[] | undefined => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of edges.get(file) ?? []) {
      const circle = visit(next, [...trail, file]);
      if (circle) return circle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of edges.keys()) t.equal(visit(file, []), undefined);
  t.end();
});

t.test('one list of operations: ops.def and protocol.ts', (t) => {
  const rows = [...read('helper/ops.def').matchAll(/^OP \((\w+), (\d+), (\w+)\)$/gm)];
  const ofKind = (kind: string): object =>
    Object.fromEntries(
      rows.filter((row) => row[3] === kind).map((row) => [row[1], Number(row[2])]),
    );
  t.same(ofKind('CALL'), CALL_OPS);
  t.same(ofKind('IO'), IO_OPS);
  t.end();
});
