// docs/nbd-support.md names a test for each clause: those tests must be there, by these names.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';

const REPO = path.resolve(import.meta.dirname, '../..');
const PAGE = readFileSync(path.join(REPO, 'docs/nbd-support.md'), 'utf8');

/** What the page calls files, as it says at its top. */
const FILES: Record<string, string> = {
  handshake: 'test/nbd/handshake.test.ts',
  haggling: 'test/nbd/haggling.test.ts',
  wire: 'test/nbd/transmission.test.ts',
  requests: 'test/server/transmission.test.ts',
  extents: 'test/disk/extents.test.ts',
};

function fileOf(name: string): string {
  if (name.startsWith('test/')) return name;
  if (/^(?:e2e|hostile|interop)\//.test(name)) return `test/${name}.test.ts`;
  return FILES[name] ?? `test/server/${name}.test.ts`;
}

/** The last cells of the tables that have a column of tests. */
function testCells(): string[] {
  const cells: string[] = [];
  let hasTests = false;
  for (const line of PAGE.split('\n')) {
    if (!line.startsWith('|')) {
      hasTests = false;
      continue;
    }
    const last = line.split('|').at(-2)?.trim() ?? '';
    if (last === 'test') hasTests = true;
    else if (hasTests && !/^-+$/.test(last)) cells.push(last);
  }
  return cells;
}

t.test('every name of the protocol that the code knows is on the page', (t) => {
  const code = readFileSync(path.join(REPO, 'src/nbd/constants.ts'), 'utf8');
  // Halves of one number, and what is no name of the protocol.
  const own = /_(?:HIGH|LOW)$|^NBD_GREETING_ASCII$|^NBD_SUCCESS$/;
  const names = [...code.matchAll(/^export const (NBD_\w+)/gm)].map(([, name = '']) => name);
  t.ok(names.length > 70);
  for (const name of names) {
    if (!own.test(name)) t.ok(PAGE.includes(`\`${name}\``), name);
  }
  t.end();
});

t.test('every test that the page names is there', (t) => {
  const cells = testCells();
  t.ok(cells.length > 80);
  let source = '';
  for (const part of cells.flatMap((cell) => cell.split('; '))) {
    const match = /^(?:`([^`]+)`)?(?:: )?(.*)$/.exec(part);
    const [, name, title = ''] = match ?? [];
    if (name !== undefined) {
      const file = path.join(REPO, fileOf(name));
      t.ok(existsSync(file), name);
      source = readFileSync(file, 'utf8');
    }
    const titles = [...source.matchAll(/t\.test\(\s*[`'"](.*?)[`'"], /g)].map(([, found]) => found);
    t.ok(title === '' || titles.some((found) => found?.includes(title)), part);
  }
  t.end();
});
