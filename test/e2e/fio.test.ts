// Random reads and writes of all sizes at depth 32, each verified by fio, on a growing sparse disk.
import path from 'node:path';
import t from 'tap';
import { makeEmpty } from '../lib/disks.js';
import { must, startServer } from '../lib/serve.js';

t.test('randrw with verify on a monolithicSparse', async (t) => {
  const dir = t.testdir({});
  const vmdk = path.join(dir, 'disk.vmdk');
  await makeEmpty(vmdk, 192 * 1024 * 1024, 'monolithicSparse');
  const server = await startServer(t, [vmdk, 'engine=builtin', '-p', '0']);
  await must(
    'fio',
    [
      '--name=verify',
      '--ioengine=nbd',
      `--uri=${server.uri!}`,
      '--rw=randrw',
      '--bsrange=4k-1m',
      '--iodepth=32',
      '--size=192m',
      '--verify=crc32c',
      '--verify_backlog=256',
      '--randrepeat=1',
      '--runtime=20',
      '--loops=2',
    ],
    { cwd: dir },
  );
  t.match(await server.stop(), { exitCode: 0 });
  await must('qemu-img', ['check', '-f', 'vmdk', vmdk]);
});
