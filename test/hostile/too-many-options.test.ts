// A client that never comes to the point: after so many options it is closed.
import t from 'tap';
import { OPTIONS_MAX } from '../../src/base/limits.js';
import { infoBytes, optionBytes } from '../lib/nbd-client.js';
import { besiege } from '../lib/siege.js';

t.test('options without end', async (t) => {
  const siege = await besiege(t);
  for (const option of [optionBytes(3), optionBytes(6, infoBytes('')), optionBytes(99)]) {
    const mark = siege.log.length;
    const client = await siege.connect();
    await client.greet();
    for (let n = 0; n < OPTIONS_MAX; n++) {
      client.write(option);
      await client.optionReplies();
    }
    client.write(option);
    t.equal((await client.rest()).length, 0);
    await siege.says(new RegExp(`more than ${OPTIONS_MAX} options`), mark);
  }
  const last = await siege.connect();
  await last.greet();
  for (let n = 1; n < OPTIONS_MAX; n++) await last.option(99);
  t.match((await last.option(7, infoBytes(''))).at(-1), { type: 1 }, 'the last may be GO');
  last.destroy();
  await siege.unharmed(t, 'too many options');
});
