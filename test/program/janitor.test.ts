// What a killed server leaves behind is removed, and nothing else is.
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import t from 'tap';

const JANITOR = path.resolve(import.meta.dirname, '../../build/helper/vddk-nbd-janitor');

/** Runs the janitor over `files`; `meanwhile` happens when it has seen them. */
async function clean(files: string[], meanwhile: () => void = () => undefined): Promise<void> {
  const janitor = execa(JANITOR, { stdin: 'pipe' });
  janitor.stdin.write(files.map((file) => `${file}\0`).join(''));
  await sleep(200);
  meanwhile();
  janitor.stdin.end();
  await janitor;
}

t.test('files and directories go, what links lead to stays', async (t) => {
  const dir = t.testdir({ pid: '1', own: { socket: '', deep: { file: '' } }, other: { keep: '' } });
  const inside = (name: string): string => path.join(dir, name);
  symlinkSync(inside('other'), inside('own/link'));
  await clean([inside('pid'), inside('own'), inside('missing'), `/${'x'.repeat(5000)}`]);
  t.notOk(existsSync(inside('pid')));
  t.notOk(existsSync(inside('own')));
  t.ok(existsSync(inside('other/keep')));
});

t.test('what another server has put in the place of ours stays', async (t) => {
  const dir = t.testdir({ pid: '1', own: {} });
  const [pid, own] = [path.join(dir, 'pid'), path.join(dir, 'own')];
  await clean([pid, own], () => {
    rmSync(pid);
    rmSync(own, { recursive: true });
    mkdirSync(path.join(dir, 'occupies-the-inode'));
    writeFileSync(pid, '2');
    mkdirSync(own);
  });
  t.ok(existsSync(pid));
  t.ok(existsSync(own));
});

t.test('what the server removed itself is no concern', async (t) => {
  const dir = t.testdir({ pid: '1', later: '2' });
  await clean([path.join(dir, 'pid'), path.join(dir, 'later')], () => {
    rmSync(path.join(dir, 'pid'));
  });
  t.notOk(existsSync(path.join(dir, 'later')));
});
