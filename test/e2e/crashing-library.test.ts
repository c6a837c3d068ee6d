// A library that crashes about every 150 operations and forgets what it has not flushed: a real
// client copies through it in both directions, and notices nothing.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { REPO, runServe, shortDir } from '../lib/serve.js';

const MIB = 1024 * 1024;
const LIBDIR = `libdir=${path.join(REPO, 'build/fault')}`;
/** Small requests, so that there are many; and none of them read ahead, in larger ones. */
const NBDCOPY = 'nbdcopy --request-size=32768';

function deathsIn(stderr: string): number {
  return stderr.split('helper replaced').length - 1;
}

t.test('reading', async (t) => {
  const dir = shortDir(t);
  const [image, copy] = [path.join(dir, 'disk.img'), path.join(dir, 'copy')];
  const content = randomBytes(64 * MIB);
  writeFileSync(image, content);
  const result = await runServe(
    ['-r', '--readahead=off', LIBDIR, `file=${image}`, '--run', `${NBDCOPY} "$uri" ${copy}`],
    { env: { FAULT: 'crash=segv p=0.0067 seed=7' } },
  );
  t.match(result, { exitCode: 0 });
  t.ok(deathsIn(result.stderr) >= 5, `${deathsIn(result.stderr)} deaths`);
  t.ok(readFileSync(copy).equals(content));
});

t.test('writing through a library that forgets', async (t) => {
  const dir = shortDir(t);
  const [image, source] = [path.join(dir, 'disk.img'), path.join(dir, 'source')];
  const content = randomBytes(64 * MIB);
  writeFileSync(image, Buffer.alloc(content.length));
  writeFileSync(source, content);
  const result = await runServe(
    [LIBDIR, `file=${image}`, '--run', `${NBDCOPY} --flush ${source} "$uri"`],
    { env: { FAULT: 'volatile=400M; crash=segv p=0.0067 seed=5' } },
  );
  t.match(result, { exitCode: 0 });
  t.ok(deathsIn(result.stderr) >= 5, `${deathsIn(result.stderr)} deaths`);
  t.ok(readFileSync(image).equals(content));
});
