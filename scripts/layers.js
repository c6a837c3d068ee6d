// Who may import whom, as one table: eslint.config.js makes a lint rule of it, and
// test/tidy.test.ts reads every import in src/ (lazy ones too) against it.
// The rule: arrows point down only. `files` is a pattern below src/; the first row that fits
// counts.

/** Node's modules that do I/O or keep time: what pure code must not touch. */
const IO = /^node:(?!buffer$|util$|assert$|crypto$)/;

/**
 * @typedef {object} Layer
 * @property {string} files    glob below src/
 * @property {string[]} project  folders or files below src/ that may be imported
 * @property {string[]} packages third-party packages that may be imported
 * @property {boolean} pure      no I/O module of Node
 */

/** @type {Layer[]} */
export const layers = [
  { files: 'base/*.ts', project: [], packages: [], pure: false },
  { files: 'nbd/*.ts', project: ['base/'], packages: [], pure: true },
  { files: 'disk/disk.ts', project: [], packages: [], pure: true },
  { files: 'disk/memory-*.ts', project: ['base/'], packages: [], pure: true },
  {
    files: 'disk/*.ts',
    project: ['base/', 'supervisor/', 'helper/', 'arena/'],
    packages: [],
    pure: false,
  },
  { files: 'helper/protocol.ts', project: [], packages: [], pure: true },
  { files: 'helper/frame.ts', project: ['base/'], packages: ['msgpackr'], pure: true },
  { files: 'helper/process.ts', project: ['base/'], packages: ['execa'], pure: false },
  { files: 'helper/*.ts', project: ['base/'], packages: [], pure: false },
  { files: 'arena/*.ts', project: ['base/'], packages: [], pure: false },
  { files: 'vddk/*.ts', project: ['base/'], packages: [], pure: false },
  {
    files: 'supervisor/*.ts',
    project: ['base/', 'helper/', 'arena/', 'disk/disk.js'],
    packages: [],
    pure: false,
  },
  {
    files: 'server/*.ts',
    project: ['base/', 'nbd/', 'disk/disk.js'],
    packages: [],
    pure: false,
  },
  {
    files: 'program/run-command.ts',
    project: ['base/'],
    packages: ['execa'],
    pure: false,
  },
  {
    files: 'program/*.ts',
    project: ['base/', 'nbd/', 'vddk/', 'disk/', 'server/', 'supervisor/', 'helper/'],
    packages: [],
    pure: false,
  },
  { files: 'flags/*.ts', project: ['base/'], packages: ['@oclif/core'], pure: false },
  {
    files: 'commands/*.ts',
    project: ['base/', 'vddk/', 'program/', 'flags/'],
    packages: ['@oclif/core'],
    pure: false,
  },
];

/** The row of `file`, a path below src/; undefined if it is in no layer. */
export function layerOf(file) {
  return layers.find(({ files }) => {
    const pattern = files.replaceAll('.', '\\.').replaceAll('*', '[^/]*');
    return new RegExp(`^${pattern}$`).test(file);
  });
}

/**
 * Why `specifier` may not be imported by a file of `layer`, or undefined if it may.
 * `folder` is the file's folder below src/, without slashes at the ends.
 */
export function forbidden(layer, folder, specifier) {
  if (specifier.startsWith('node:')) {
    return layer.pure && IO.test(specifier)
      ? `${specifier} does I/O; this code is pure`
      : undefined;
  }
  if (!specifier.startsWith('.')) {
    return layer.packages.includes(specifier) ? undefined : `${specifier} has its home elsewhere`;
  }
  const target = new URL(specifier, `file:///src/${folder}/`).pathname.slice('/src/'.length);
  if (target.startsWith(`${folder}/`)) return undefined;
  const allowed = layer.project.some(
    (path) => target === path || (path.endsWith('/') && target.startsWith(path)),
  );
  return allowed ? undefined : `${folder}/ must not import ${target}`;
}

/** The same as patterns of ESLint's no-restricted-imports. */
export function restrictedImports(layer) {
  const escape = (text) => text.replaceAll('.', '\\.');
  const project = layer.project.map((path) => (path.endsWith('/') ? path : `${escape(path)}$`));
  const upwards = project.length === 0 ? '' : `(?!${project.join('|')})`;
  const packages = layer.packages.map((name) => `${escape(name)}$|`).join('');
  const patterns = [
    { regex: `^(?:\\.\\./)+${upwards}[^./]+/`, message: 'Imports run one way: scripts/layers.js.' },
    { regex: `^(?!${packages}\\.|node:)`, message: 'This package has its home elsewhere.' },
  ];
  if (layer.pure) patterns.push({ regex: IO.source, message: 'This code is pure: no I/O.' });
  return patterns;
}
