// Bundles dist/ and the packages that it imports into dist/bundle/, which bin/run.js runs: a start
// opens a handful of files instead of four hundred. Run by `make` after tsc.
// The rule: files lie flat in dist/bundle/, as deep as those of dist/base/, because the program
// finds build/ relative to its own files.
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

rmSync(`${root}dist/bundle`, { recursive: true, force: true });
await build({
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
