// Golden vectors as a C header: node vectors-to-c.mjs FOLDER > vectors.h
// Only names and bytes: the C test decodes the bytes and encodes them again.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const folder = process.argv[2];
const rows = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .sort()
  .flatMap((name) =>
    JSON.parse(readFileSync(path.join(folder, name), 'utf8')).map((vector) => ({
      ...vector,
      file: name,
    })),
  );

const bytes = (hex) => hex.replace(/../g, '\\x$&').replace(/(.{56})/g, '$1"\n      "');
const lines = rows.map(
  ({ file, name, direction, hex, value }) =>
    `  { ${JSON.stringify(`${file}: ${name}`)}, ${direction === 'to helper'}, ` +
    `${value !== undefined},\n    ${hex.length / 2},\n    "${bytes(hex)}" },`,
);
process.stdout.write(`/* Made by vectors-to-c.mjs. */
static const struct vector {
  const char *name;
  bool is_to_helper;
  bool is_valid;
  size_t length;
  const char *bytes;
} vectors[] = {
${lines.join('\n')}
};
`);
