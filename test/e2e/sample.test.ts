// The sample disk of `make serve`: a partition table and a file system that real tools find.
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { must, REPO, runServe } from '../lib/serve.js';

t.test('the sample disk can be copied out, and holds what it should', async (t) => {
  const dir = t.testdir({});
  const [vmdk, raw, part] = ['s.vmdk', 's.raw', 's.part'].map((base) => path.join(dir, base));
  await must(path.join(REPO, 'scripts/sample-vmdk.sh'), [vmdk!]);
  const made = statSync(vmdk!).mtimeMs;
  await must(path.join(REPO, 'scripts/sample-vmdk.sh'), [vmdk!]);
  t.equal(statSync(vmdk!).mtimeMs, made, 'an existing one is left alone');

  const env = { RAW: raw, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  const args = ['-r', vmdk!, 'engine=builtin', '--run', 'nbdcopy "$uri" "$RAW"'];
  t.match(await runServe(args, { env }), { exitCode: 0 });
  t.ok(existsSync(raw!));
  t.match(await must('sfdisk', ['--dump', raw!], { env }), /start= +2048,.*type=83/);
  await must('dd', [`if=${raw!}`, `of=${part!}`, 'bs=1M', 'skip=1', 'status=none']);
  await must('e2fsck', ['-fn', part!], { env });
  t.match(await must('debugfs', ['-R', 'cat hello.txt', part!], { env }), /Hello from a VMDK/);
});
