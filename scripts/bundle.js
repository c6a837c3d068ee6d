// Bundles dist/ and the packages that it imports into dist/bundle/, which bin/run.js runs: a start
// opens a handful of files instead of four hundred. Run by `make` after tsc.
// The rule: files lie flat in dist/bundle/, as deep as those of dist/base/, because the program
// finds build/ relative to its own files.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

rmSync(`${root}dist/bundle`, { recursive: true, force: true });
const { metafile } = await build({
  metafile: true,
  absWorkingDir: root,
  entryPoints: { commands: 'dist/commands/all.js', oclif: 'scripts/oclif.js' },
  outdir: 'dist/bundle',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  // oclif would load it to run commands from TypeScript.
  external: ['typescript'],
  // What V8 need not scan. Names stay, for stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  // What is frequent is not packed by msgpackr (helper/io-frames.ts), so its addon is not loaded.
  define: { 'process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED': '"true"' },
  // For packages that are CommonJS, as oclif is.
  banner: {
    js: `import { createRequire as createRequireOfBundle } from 'node:module';
const require = createRequireOfBundle(import.meta.url);`,
  },
  sourcemap: 'linked',
  sourcesContent: false,
  logLevel: 'warning',
});

// The licenses of what is in it, which must go where it goes.
const packages = Object.keys(metafile.inputs)
  .map((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1])
  .filter((directory) => directory !== undefined);
const licenses = [...new Set(packages)].sort().map((directory) => {
  const { license, name, version } = JSON.parse(
    readFileSync(`${root}${directory}/package.json`, 'utf8'),
  );
  const files = readdirSync(`${root}${directory}`).filter((file) => /^licen[cs]e/i.test(file));
  const texts = files.map((file) => readFileSync(`${root}${directory}/${file}`, 'utf8').trim());
  return [`${name} ${version} (${license})`, ...texts].join('\n\n');
});
writeFileSync(`${root}dist/bundle/licenses.txt`, `${licenses.join(`\n\n${'-'.repeat(72)}\n\n`)}\n`);
