// docs/errors.md says what the tables say.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { execa } from 'execa';
import { REPO } from '../lib/serve.js';

t.test('the page is made from the tables', async (t) => {
  const script = path.join(REPO, 'scripts/errors-page.js');
  const { stdout } = await execa(process.execPath, [script, '--print']);
  const page = readFileSync(path.join(REPO, 'docs/errors.md'), 'utf8');
  t.equal(`${stdout}\n`, page, 'run make docs');
  t.match(page, /VIX_E_FILE_ALREADY_LOCKED/);
});
