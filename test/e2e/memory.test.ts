// A library that runs out of memory: it gets less at once, and nobody sees an error.
import { readFileSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import t from 'tap';
import { MIB, rehearse } from '../lib/rehearse.js';
import { must, shortDir } from '../lib/serve.js';

for (const by of ['submit', 'callback']) {
  t.test(`it says so in the ${by}`, async (t) => {
    const fault = `nomem requests=4 bytes=128K by=${by}; complete=late`;
    const { server, content, image, deaths } = await rehearse(t, fault);
    const dir = shortDir(t);
    const [copy, source] = [path.join(dir, 'copy'), path.join(dir, 'source')];
    await must('nbdcopy', ['--request-size=1048576', server.uri!, copy]);
    t.ok(readFileSync(copy).equals(content));
    const wanted = randomBytes(8 * MIB);
    writeFileSync(source, wanted);
    await must('nbdcopy', ['--flush', source, server.uri!]);
    t.ok(image().equals(wanted));
    t.match(server.stderr, /out of memory: at most \d+ requests of/);
    t.equal(deaths(), 0, 'and no helper had to go');
    t.match(await server.stop(), { exitCode: 0 });
  });
}
