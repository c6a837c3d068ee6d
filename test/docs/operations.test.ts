// docs/operations.md: its units are units, and every flag that it names is one of serve.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { REPO, run, RUN, shortDir } from '../lib/serve.js';

const PAGE = readFileSync(path.join(REPO, 'docs/operations.md'), 'utf8');
const PROGRAM = '/usr/local/bin/vddk-nbd';

/** The blocks that begin with the name of a unit, by that name. */
const UNITS = [...PAGE.matchAll(/```ini\n# (\S+)\n(.*?)```/gs)].map(([, name = '', text = '']) => ({
  name,
  text,
}));

t.test('the units please systemd', async (t) => {
  const dir = shortDir(t);
  mkdirSync(path.join(dir, 'units'));
  t.same(UNITS.map(({ name }) => name).sort(), [
    'vddk-nbd.service',
    'vddk-nbd.socket',
    'vddk-nbd@.service',
  ]);
  const files = UNITS.map(({ name, text }) => {
    const file = path.join(dir, 'units', name);
    t.match(text, name.endsWith('.socket') ? 'ListenStream=' : PROGRAM, name);
    writeFileSync(file, text.replaceAll(PROGRAM, RUN));
    return file;
  });
  const { exitCode, stderr, stdout } = await run('systemd-analyze', [
    'verify',
    '--man=no',
    ...files,
  ]);
  t.equal(exitCode, 0, `${stdout}${stderr}`);
  t.notMatch(`${stdout}${stderr}`, /vddk-nbd/, 'nothing to say about them');
});

t.test('the flags exist', async (t) => {
  const { stdout } = await run(RUN, ['serve', '--help']);
  const help = stdout.replaceAll('[no-]', 'no-');
  // Of other programs, and of nbdkit where the page says so.
  const foreign = [
    '--object',
    '--image-opts',
    '--list',
    '--connections',
    '--filter',
    '--keepalive',
  ];
  const named = new Set([...PAGE.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)].map(([flag]) => flag));
  for (const flag of named) {
    if (foreign.includes(flag)) continue;
    t.ok(help.includes(flag), flag);
  }
  t.ok(named.size > 15);
});
