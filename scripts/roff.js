// From a little Markdown to the man macros of roff: headings of two levels, paragraphs, lists,
// terms with `: ` behind them, fenced examples, **bold**, *italic* or _italic_, `code`, and
// backslashes. Used by manual.js. The rule: no text of a page can become a request of roff.

/** Characters that roff would read, or print, as something else. */
const SPECIAL = { '\\': '\\e', '-': '\\-', "'": '\\(aq', '`': '\\(ga', '~': '\\(ti', '^': '\\(ha' };

/** Letters of an example, a flag or a name: exactly these. */
const literal = (text) => text.replace(/[\\\-'`~^]/g, (character) => SPECIAL[character]);

/** Letters of prose: its hyphens and apostrophes may be typeset. */
const prose = (text) => text.replace(/[\\~^`]/g, (character) => SPECIAL[character]);

/** Text at the beginning of a line is never a request. */
const guard = (line) => (/^[.']/.test(line) ? `\\&${line}` : line);

const font = (name, text) => (text === '' ? '' : `\\f${name}${literal(text)}\\fP`);

/** One token of a line: code, bold, italic, an escaped character, or anything. */
const TOKEN = new RegExp(
  [
    /`([^`]+)`/,
    /\*\*((?:\\.|[^*\\])+)\*\*/,
    /\*((?:\\.|[^*\\])+)\*/,
    /(?<!\w)_([^_]+)_(?!\w)/,
    /\\(\W)/,
    /([^\\*`_]+|.)/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gs',
);

const unescape = (text) => text.replace(/\\(\W)/g, '$1');

/** A line of text with its fonts. */
export function inline(text) {
  return text.replace(TOKEN, (_, code, bold, starred, underlined, escaped, plain) => {
    const italic = starred ?? underlined;
    if (code !== undefined) return font('B', code);
    if (bold !== undefined) return font('B', unescape(bold));
    if (italic !== undefined) return font('I', unescape(italic));
    return prose(escaped ?? plain);
  });
}

/** Lines of text that may break anywhere. */
const flow = (lines) => inline(lines.join('\n')).split('\n').map(guard);

const quoted = (text) => `"${literal(text).replaceAll('"', '\\(dq')}"`;

/** An example, as it stands. */
export function example(lines) {
  const body = lines.map((line) => guard(literal(line)));
  return ['.PP', '.RS 4', '.EX', ...body, '.EE', '.RE'];
}

/** A term in its fonts, and what it means. */
export function term(name, lines) {
  return ['.TP', guard(inline(name)), ...flow(lines)];
}

function block(lines) {
  const [first = ''] = lines;
  if (first.startsWith('## ')) return [`.SS ${quoted(first.slice(3))}`];
  if (first.startsWith('# ')) return [`.SH ${quoted(first.slice(2).toUpperCase())}`];
  if (first.startsWith('```')) return example(lines.slice(1, -1));
  if (lines[1]?.startsWith(': ')) return term(first, [lines[1].slice(2), ...lines.slice(2)]);
  if (!first.startsWith('- ')) return ['.PP', ...flow(lines)];
  return lines
    .join('\n')
    .split(/^- /m)
    .slice(1)
    .flatMap((item) => [
      '.IP \\(bu 2',
      ...flow(
        item
          .trimEnd()
          .replace(/\n {2}/g, '\n')
          .split('\n'),
      ),
    ]);
}

/** The blocks of a text: what stands between empty lines, or between fences. */
function blocks(text) {
  return text.match(/^```[^]*?^```$|(?:^(?!```).+\n?)+/gm).map((it) => it.trimEnd().split('\n'));
}

/** The lines of roff for `markdown`; `fill` gives those of a comment of one word. */
export function roff(markdown, fill) {
  const all = blocks(markdown).flatMap((lines) => {
    const word = /^<!-- (\w+) -->$/.exec(lines.join('\n'))?.[1];
    if (word !== undefined) return fill(word);
    return lines[0].startsWith('<!--') ? [] : block(lines);
  });
  // A heading begins a paragraph by itself.
  return all.filter((line, index) => line !== '.PP' || !/^\.S[HS] /.test(all[index - 1] ?? ''));
}
