// A library that dies of being asked what is allocated: it is not asked any more.
import t from 'tap';
import { rehearse } from '../lib/rehearse.js';
import { must } from '../lib/serve.js';

t.test('all is data then, and nothing else suffers', async (t) => {
  const { server, deaths } = await rehearse(t, 'crash=segv at=QueryAllocatedBlocks', {
    args: ['-r'],
    // Over this transport the library's answers are worth asking for.
    env: { FAULT_TRANSPORT: 'nbdssl' },
  });
  const map = await must('nbdinfo', ['--map', '--totals', server.uri!]);
  t.match(map, /^\s*8388608\s+100\.0%\s+0 data\s*$/);
  await must('nbdinfo', ['--map', server.uri!]);
  await must('qemu-io', ['-r', '-f', 'raw', '-c', 'read 0 65536', server.uri!]);
  const { exitCode, stderr } = await server.stop();
  t.equal(exitCode, 0);
  t.equal(stderr.match(/dies of it: QueryAllocatedBlocks/g)?.length, 1, 'it was asked no more');
  t.ok(deaths() >= 4 && deaths() < 8, `${deaths()} deaths`);
});
