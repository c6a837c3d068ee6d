// Puts the figures into docs/performance.md and README.md, between marks. The prose around them is
// written by hand; no number between the marks is.
import { readFileSync, writeFileSync } from 'node:fs';
import { number } from './figures.js';
import type { Results, Row } from './results.js';
import { writePlots } from './plots.js';
import { saveResults } from './results.js';

const DIRECTORY = 'docs/performance';

function replaceBetweenMarks(file: string, mark: string, text: string): void {
  const [begin, end] = [`<!-- ${mark}: made by make bench-pages -->`, `<!-- ${mark}: end -->`];
  const page = readFileSync(file, 'utf8');
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from === -1 || to < from) throw new Error(`${file} lacks the marks of ${mark}`);
  writeFileSync(file, `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`);
}

function range(low: number, high: number, digits: (value: number) => string): string {
  return `${digits(low)} to ${digits(high)}`;
}

const ratio = (value: number): string => value.toFixed(2);

/** A cell for each server: the median and the range; a peer's with our ratio to it. */
function cellsOf(row: Row, servers: readonly string[]): string[] {
  return servers.map((server) => {
    const figure = row.figures[server];
    if (figure === undefined) return '-';
    return `${number(figure.median)} (${range(figure.min, figure.max, number)})`;
  });
}

function ratioCellsOf(row: Row, peers: readonly string[]): string[] {
  return peers.map((peer) => {
    const of = row.ratios[peer];
    if (of === undefined) return '-';
    return `**${ratio(of.median)}** (${range(of.min, of.max, ratio)})`;
  });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) =>
    Math.max(3, cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

function serversOf({ rows }: Results): string[] {
  return [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))];
}

function machineText({ machine, settings }: Results): string {
  const { cpu, processors, memoryGib, kernel, node } = machine;
  const versions = Object.entries(machine)
    .slice(5)
    .map(([name, version]) => `${name}: ${version}`);
  return (
    `Measured on ${processors} processors (${cpu}), ${memoryGib} GiB, Linux ${kernel}, ` +
    `Node.js ${node}; ${versions.join('; ')}. ` +
    `A raw disk of ${settings['sizeMib']} MiB in memory; ` +
    (settings['realTime'] === 1 ? 'Servers and clients had real-time priority. ' : '') +
    `${settings['rounds']} rounds; ${settings['runtimeS']} s for each run of fio.`
  );
}

/** Everything that was measured. */
export async function writePages(results: Results): Promise<void> {
  const [ours = '', ...peers] = serversOf(results);
  const figures = results.rows.map((row) => [
    row.metric,
    row.unit,
    ...cellsOf(row, [ours, ...peers]),
    row.foreign.toFixed(2),
  ]);
  const ratios = results.rows.map((row) => [row.metric, ...ratioCellsOf(row, peers)]);
  const page = [
    machineText(results),
    table(['ratio to', ...peers], ratios),
    table(['figure', 'unit', ours, ...peers, 'others'], figures),
    ...results.growth.map(({ name, title }) => `![${title}](performance/${name}.svg)`),
  ];
  replaceBetweenMarks('docs/performance.md', 'figures', page.join('\n\n'));
  replaceBetweenMarks('README.md', 'figures', table(['ratio to', ...peers], ratios));
  await writePlots(results.growth, DIRECTORY);
  saveResults(results, `${DIRECTORY}/results.json`);
}
