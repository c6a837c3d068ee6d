// Prints vddk-nbd(1): docs/manual.md, filled with what the program knows of itself: the flags as
// oclif's help has them, the table of parameters, the options of nbdkit that it refuses.
// test/manual.test.ts holds it to that. `make` writes it to build/man/vddk-nbd.1.
import { readFileSync } from 'node:fs';
import { REFUSED_OPTIONS } from '../dist/flags/nbdkit.js';
import { PARAMETER_GROUPS, PARAMETERS } from '../dist/vddk/parameter-table.js';
import { inline, roff, term } from './roff.js';

const read = (file) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
const { commands: byName, version } = JSON.parse(read('oclif.manifest.json'));
/** What most people come for stands first. */
const commands = { serve: byName.serve, ...byName };

const GROUP_TITLES = { LISTEN: 'Listening', SERVER: 'Serving', TLS: 'TLS' };

/** What oclif shows of a command's line, or what it would make of its arguments. */
function usageOf({ args, flags, id, usage }) {
  if (usage !== undefined) return usage;
  const words = Object.keys(args).map((name) => name.toUpperCase());
  const shown = Object.values(flags).filter(({ hidden, char }) => !hidden && char !== 'h');
  const options = shown.map(({ helpValue, name, type }) =>
    type === 'option' ? `[--${name} ${helpValue ?? 'VALUE'}]` : `[--${name}]`,
  );
  return [id, ...words, ...options].join(' ');
}

const bold = (text) => `**${text.replace(/[\\*]/g, '\\$&')}**`;
const italic = (text) => `*${text.replace(/[\\*]/g, '\\$&')}*`;

/** A line of help as a sentence: its first word may be a name, which stays as it is. */
function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function defaultOf({ default: value }) {
  return ['string', 'number'].includes(typeof value) ? ` [default: ${value}]` : '';
}

function flagTerm(flag) {
  const { allowNo, char, helpValue, name, options, summary, type } = flag;
  const names = [...(char === undefined ? [] : [bold(`-${char}`)]), bold(`--${name}`)];
  if (allowNo) names.push(bold(`--no-${name}`));
  const value = type === 'option' ? ` ${italic(options?.join(' | ') ?? helpValue ?? 'VALUE')}` : '';
  return term(`${names.join(', ')}${value}`, [
    sentence(`${summary ?? 'show help'}${defaultOf(flag)}`).replaceAll('*', '\\*'),
  ]);
}

const shownFlags = ({ flags }) => Object.values(flags).filter(({ hidden }) => !hidden);

const fills = {
  synopsis: () =>
    Object.values(commands).flatMap((command, index) => [
      ...(index === 0 ? ['.PP'] : ['.br']),
      inline(`**vddk-nbd** ${usageOf(command).replace(/^\S+/, '**$&**')}`),
    ]),
  commands: () =>
    Object.values(commands).flatMap(({ description, flags, id, summary }) => {
      const text = id === 'serve' ? '' : ` ${description}`.replace(/\n+/g, '\n');
      const own = shownFlags({ flags }).filter(({ helpGroup }) => helpGroup === undefined);
      return [
        ...term(bold(id), `${sentence(summary)}${text}`.split('\n')),
        ...(own.length === 0 || id === 'serve' ? [] : ['.RS', ...own.flatMap(flagTerm), '.RE']),
      ];
    }),
  parameters: () =>
    Object.entries(PARAMETER_GROUPS).flatMap(([group, title]) => [
      `.SS "${title}"`,
      ...Object.entries(PARAMETERS)
        .filter(([, row]) => row.group === group)
        .flatMap(([key, { details, value }]) =>
          term(`${bold(`${key}=`)}${italic(value)}`, [details]),
        ),
    ]),
  flags: () =>
    Object.entries(GROUP_TITLES).flatMap(([group, title]) => [
      `.SS "${title}"`,
      ...shownFlags(commands.serve)
        .filter(({ helpGroup }) => helpGroup === group)
        .flatMap(flagTerm),
    ]),
  refused: () =>
    Object.entries(REFUSED_OPTIONS).flatMap(([name, remedy]) => term(bold(`--${name}`), [remedy])),
};

const lines = [
  `.TH VDDK\\-NBD 1 "" "vddk\\-nbd ${version}" "User Commands"`,
  '.nr HY 0',
  '.ad l',
  ...roff(read('docs/manual.md'), (word) => fills[word]()),
];
process.stdout.write(`${lines.join('\n')}\n`);
