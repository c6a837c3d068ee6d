// Writes docs/errors.md from the tables that the messages come from: `make docs`, after a build.
// test/vddk/errors-page.test.ts keeps the two together. With an argument it prints to stdout.
import { writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { COOKIE_REJECTED, SYMPTOMS } from '../dist/vddk/diagnosis.js';
import { VIX_ERRORS } from '../dist/vddk/vix-errors.js';

const PAGE = new URL('../docs/errors.md', import.meta.url);

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

function errorRow([code, { name, cause, remedy, remedyIn = {}, remedyOnServer }]) {
  const remedies = [remedy];
  if (remedyOnServer !== undefined) remedies.push(`For a disk on a server: ${remedyOnServer}`);
  for (const [call, text] of Object.entries(remedyIn)) remedies.push(`In ${call}: ${text}`);
  return `| ${code} | \`${name}\` | ${cell(cause)} | ${cell(remedies.join(' '))} |`;
}

function symptomRow({ example, id, pattern, cause, remedy }) {
  const match = pattern.exec(example);
  const line = example.replaceAll('|', '\\|');
  const cells = [cause(match), remedy(match)];
  if (id === 'login') {
    cells[0] += `; with cookie=: ${COOKIE_REJECTED.cause}`;
    cells[1] += ` With cookie=: ${COOKIE_REJECTED.remedy}`;
  }
  return `| \`${line}\` | ${cells.map(cell).join(' | ')} |`;
}

const page = `# Errors of the disk library

What the library's error codes mean, what its log says about them, and what to do. The messages of
vddk-nbd come from the same tables; this page is made by \`make docs\`.

## Codes

The number is the low half of a VixError.

| code | name | what has happened | what to do |
| ---- | ---- | ----------------- | ---------- |
${Object.entries(VIX_ERRORS).map(errorRow).join('\n')}

## Lines of the log

VDDK often gives the reason in its log alone. These are recognised, and said in the message.

| line | what has happened | what to do |
| ---- | ----------------- | ---------- |
${SYMPTOMS.map(symptomRow).join('\n')}

## More memory for NFC

An ESXi host gives all NFC sessions together 48 MB by default. \`maxMemory\` inside \`nfcsvc\` in
\`/etc/vmware/hostd/config.xml\` on the host is that limit, in bytes; restart hostd after the
change. It can't be set through vCenter. vddk-nbd asks for less at once by itself when a host runs
out.
`;

const text = await format(page, { ...(await resolveConfig(PAGE)), parser: 'markdown' });
if (process.argv.length > 2) process.stdout.write(text);
else writeFileSync(PAGE, text);
