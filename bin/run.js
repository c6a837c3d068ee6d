#!/usr/bin/env node
// Hands over to oclif, as scripts/bundle.js has bundled it. The rule: what oclif says itself is one
// line of ours, never a stack trace.
import { fileURLToPath } from 'node:url';

/** A parameter in the place of the command may be a password. */
function withoutValues(text) {
  const given = process.argv.slice(2).filter((argument) => argument.includes('='));
  const masked = given.reduce(
    (shown, it) => shown.replaceAll(it, () => it.replace(/=.*/s, '=***')),
    text,
  );
  // oclif takes what follows for the name of a command, too.
  return masked.replace(/^command ([^\s:=]*):.* not found$/s, 'command $1 not found');
}

function fail(error) {
  // A command's own exit: it has said all that there is to say.
  if (error.code === 'EEXIT') process.exit(error.oclif.exit);
  const line = withoutValues(String(error.message))
    .replace(/\s+/g, ' ')
    .replace(/\.? *$/, '');
  // A command that can't even be loaded.
  const hint = /\bE[MN]FILE\b/.test(line)
    ? 'Raise the limit of open files (ulimit -n 1024).'
    : 'See vddk-nbd --help.';
  process.stderr.write(`vddk-nbd: error: ${line}. ${hint}\n`);
  process.exit(1);
}

// oclif's own debugging shows all arguments, of which one may be a password.
const { DEBUG } = process.env;
delete process.env.DEBUG;
const { flush, run } = await import('../dist/bundle/oclif.js');
if (DEBUG !== undefined) process.env.DEBUG = DEBUG;

process.stdout.prependListener('error', (error) => {
  if (error.code !== 'EPIPE') fail(error);
});
// Plugins of users would be looked for in $HOME, which a service may not have.
const config = { root: fileURLToPath(import.meta.url), userPlugins: false };
await run(process.argv.slice(2), config).then(flush, fail);
