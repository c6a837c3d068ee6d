// Golden vectors as seeds for the fuzzer: node vectors-to-seeds.mjs FOLDER CORPUS
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const [folder, corpus] = process.argv.slice(2);
for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
  const vectors = JSON.parse(readFileSync(path.join(folder, name), 'utf8'));
  for (const [index, { hex }] of vectors.entries()) {
    writeFileSync(path.join(corpus, `${name}-${index}`), Buffer.from(hex, 'hex'));
  }
}
