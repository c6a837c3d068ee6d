// The manual page agrees with the program: every flag and parameter, every section that is
// referred to, every option of nbdkit; and roff finds nothing wrong in it.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Parser } from '@oclif/core';
import t from 'tap';
import Serve from '../src/commands/serve.js';
import { nbdkitFlags, REFUSED_OPTIONS } from '../src/flags/nbdkit.js';
import { DEBUG_FLAG_NAMES } from '../src/vddk/debug-flags.js';
import { ENGINES, PARAMETERS } from '../src/vddk/parameter-table.js';
import { parseParameters } from '../src/vddk/parameters.js';
import { inline, roff } from '../scripts/roff.js';
import { must, REPO, run } from './lib/serve.js';

interface Flag {
  name: string;
  char?: string;
  hidden?: boolean;
}
interface Manifest {
  commands: Record<string, { flags: Record<string, Flag> }>;
}

const PAGE = path.join(REPO, 'build/man/vddk-nbd.1');
const source = await must(process.execPath, [path.join(REPO, 'scripts/manual.js')]);
const lines = source.split('\n');
/** What stands to the left of explanations. */
const terms = lines.filter((_, index) => lines[index - 1] === '.TP');
const headings = lines
  .filter((line) => /^\.S[HS] /.test(line))
  .map((line) => line.slice(5, -1).replaceAll('\\(aq', "'").toLowerCase());

const bold = (text: string): string => `\\fB${text.replaceAll('-', '\\-')}\\fP`;

t.test('it was built from these sources', async (t) => {
  t.equal(readFileSync(PAGE, 'utf8'), `${source}\n`);
});

t.test('roff', async (t) => {
  const { exitCode, stderr, stdout } = await run('groff', ['-man', '-Tutf8', '-ww', PAGE]);
  t.same({ exitCode, stderr }, { exitCode: 0, stderr: '' });
  t.ok(stdout.length > 20_000, 'the page has been typeset');
});

t.test('parameters', async (t) => {
  for (const [key, { value }] of Object.entries(PARAMETERS)) {
    const term = `${bold(`${key}=`)}\\fI${value.replaceAll('-', '\\-')}\\fP`;
    t.equal(terms.filter((it) => it === term).length, 1, term);
  }
  const keys = terms.map((it) => /^\\fB([\w\\-]+)=\\fP/.exec(it)?.[1]?.replaceAll('\\', ''));
  for (const key of keys) if (key !== undefined) t.ok(key in PARAMETERS, `${key}= exists`);
  for (const engine of Object.keys(ENGINES)) t.match(source, bold(engine));
});

t.test('flags', async (t) => {
  const manifest = readFileSync(path.join(REPO, 'oclif.manifest.json'), 'utf8');
  const { commands } = JSON.parse(manifest) as Manifest;
  const shown = Object.values(commands).flatMap(({ flags }) =>
    Object.values(flags).filter(({ hidden }) => !hidden),
  );
  t.ok(shown.length > 30, `${shown.length} flags`);
  for (const { char, name } of shown) {
    const names = [...(char === undefined ? [] : [bold(`-${char}`)]), bold(`--${name}`)];
    t.ok(
      terms.some((it) =>
        `${it} `.replace(',', ' ').startsWith(`${names.join(', ')} `.replace(',', ' ')),
      ),
      names.join(', '),
    );
  }
  const section = source.slice(
    source.indexOf('.SH "COMMANDS"'),
    source.indexOf('.SH "PARAMETERS"'),
  );
  for (const [id, { flags }] of Object.entries(commands)) {
    if (id === 'serve') continue;
    const text = section.slice(section.indexOf(`.TP\n${bold(id)}`)).split('\n.RE')[0] ?? '';
    for (const { name } of Object.values(flags)) t.match(text, bold(`--${name}`), `${id} ${name}`);
  }
  const known = new Set(shown.map(({ name }) => name).concat(Object.keys(REFUSED_OPTIONS)));
  const named = terms.flatMap((it) => [...it.matchAll(/\\fB\\-\\-([\w\\-]+)\\fP/g)]);
  for (const [, name = ''] of named) {
    const flag = name.replaceAll('\\', '').replace(/^no-(?=spare$)/, '');
    t.ok(known.has(flag), `--${flag} exists`);
  }
  for (const name of DEBUG_FLAG_NAMES) t.ok(terms.includes(bold(`-D ${name}=1`)), name);
});

t.test("nbdkit's options", async (t) => {
  const section = source.slice(source.indexOf('DIFFERENCES FROM NBDKIT'));
  for (const [name, flag] of Object.entries(nbdkitFlags)) {
    const { char } = flag as { char?: string };
    const names = [bold(`--${name}`), ...(char === undefined ? [] : [bold(`-${char}`)])];
    t.ok(
      names.some((it) => section.includes(it)),
      names.join(' or '),
    );
  }
});

t.test('references', async (t) => {
  const manual = readFileSync(path.join(REPO, 'docs/manual.md'), 'utf8');
  const texts = [manual, ...Object.values(PARAMETERS).map(({ details }) => details)];
  const references = texts.flatMap((text) => [
    ...text.matchAll(/[Ss]ee (?:_([^_]+)_|(?<!\*)\*([^*]+)\*)/g),
  ]);
  t.ok(references.length > 7, `${references.length} references`);
  for (const [, a, b] of references) {
    const name = (a ?? b ?? '').replaceAll('\n', ' ').toLowerCase();
    t.ok(headings.includes(name), name);
  }
});

t.test('what the page must tell', async (t) => {
  const wanted = [
    ...['a local file', 'a disk on an esxi host', 'a disk on a vcenter server', 'thumbprints'],
    ...['the path of a remote disk', 'references', 'the library', 'ld_library_path', 'debugging'],
    ...["vddk's configuration file", 'transport modes', 'limits of nfc', 'supported versions'],
    ...['differences from nbdkit', 'exit status', 'environment', 'signals', 'files'],
  ];
  for (const heading of wanted) t.ok(headings.includes(heading), heading);
});

t.test('no text becomes a request', (t) => {
  const fill = (): string[] => ['FILLED'];
  t.same(roff(".TH is text\n'so is this\n", fill), ['.PP', '\\&.TH is text', "\\&'so is this"]);
  t.same(roff('```\n.x\\y -z\n```\n', fill).at(3), '\\&.x\\ey \\-z');
  t.same(roff('<!-- word -->\n', fill), ['FILLED']);
  t.same(roff('# A b\n\ntext\n', fill), ['.SH "A B"', 'text']);
  t.equal(
    inline('**a\\*b** _c d_ *e* `f-*` \\[g\\] h_i_j 3*4'),
    '\\fBa*b\\fP \\fIc d\\fP \\fIe\\fP \\fBf\\-*\\fP [g] h_i_j 3*4',
  );
  t.end();
});

t.test('every example is one', async (t) => {
  const manual = readFileSync(path.join(REPO, 'docs/manual.md'), 'utf8');
  const fences = [...manual.matchAll(/^```\n([^]*?)^```$/gm)].map(([, text = '']) => text);
  const commands = fences
    .map((text) => text.replaceAll('\\\n', ' '))
    .flatMap((text) => [...text.matchAll(/^vddk-nbd serve (.*(?:\n {4}.*)*)$/gm)])
    .map(([, words = '']) => words.replace('thumbprint=...', `thumbprint=${'00'.repeat(20)}`));
  t.ok(commands.length > 8, `${commands.length} examples`);
  for (const command of commands) {
    const words = await must('sh', ['-c', `printf '%s\\n' ${command}`]);
    const { argv, flags } = await Parser.parse(words.split('\n'), {
      flags: Serve.flags,
      strict: false,
    });
    const filesElsewhere = flags.export !== undefined || flags.params !== undefined;
    t.doesNotThrow(() => parseParameters(argv.map(String), { filesElsewhere }), command);
  }
});
