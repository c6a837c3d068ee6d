// The fence: a lock of the helper's own on a local disk that is open for writing.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { Driver } from './driver.js';

/** A file beside the driver's own, whose directory is made anew for each driver. */
function makeDisk(t: Test): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'fence-'));
  t.teardown(() => {
    rmSync(dir, { recursive: true });
  });
  const disk = path.join(dir, 'disk');
  writeFileSync(disk, Buffer.alloc(512));
  return disk;
}

async function connected(t: Test, env: Record<string, string> = {}): Promise<Driver> {
  const helper = new Driver(t, { env });
  await helper.hello();
  await helper.call('CONNECT', { readOnly: false });
  return helper;
}

t.test('two helpers never have one disk open for writing', async (t) => {
  const disk = makeDisk(t);
  const open = { path: disk, flags: 0, fence: true };
  const first = await connected(t);
  t.equal((await first.call('OPEN', open)).vixError, 0);
  const second = await connected(t);
  const refused = await second.call('OPEN', open);
  t.match(refused.fields, { helperError: 'fence', text: /another program has it open/ });
  t.equal((await second.call('OPEN', { path: disk, flags: 4 })).vixError, 0, 'but for reading');
  await first.call('CLOSE');
  const third = await connected(t);
  t.equal((await third.call('OPEN', open)).vixError, 0, 'CLOSE gives it up');
  third.process.kill('SIGKILL');
  await third.ended;
  const fourth = await connected(t);
  t.equal((await fourth.call('OPEN', open)).vixError, 0, 'and so does death');
});

t.test('what can not be locked is left to the library', async (t) => {
  const helper = await connected(t);
  const missing = `${makeDisk(t)}.missing`;
  t.equal((await helper.call('OPEN', { path: missing, flags: 0, fence: true })).vixError, 0);
});

t.test('a disk that the library refuses is not kept from others', async (t) => {
  const disk = makeDisk(t);
  const open = { path: disk, flags: 0, fence: true };
  const refused = await connected(t, { FAKE_AT: 'Open:fail:13' });
  t.equal((await refused.call('OPEN', open)).vixError, 13);
  const other = await connected(t);
  t.equal((await other.call('OPEN', open)).vixError, 0);
});

t.test('it is of the open file: a library that opens and closes the disk keeps it', async (t) => {
  const disk = makeDisk(t);
  const helper = await connected(t);
  await helper.call('OPEN', { path: disk, flags: 0, fence: true });
  // A lock of the process (POSIX) is gone when any descriptor of the file is closed.
  const { ino } = statSync(disk);
  const lines = readFileSync('/proc/locks', 'utf8').split('\n');
  // The byte of the fence: on another file system another file may have the same number.
  const locks = lines.filter((line) => line.endsWith(`:${ino} 201 201`));
  t.equal(locks.length, 1, lines.filter((line) => line.includes(`:${ino} `)).join('\n'));
  t.match(locks[0], / OFDLCK .* WRITE /);
});

t.test("QEMU's tools respect it: none writes, and all may read", async (t) => {
  const disk = makeDisk(t);
  const helper = await connected(t);
  await helper.call('OPEN', { path: disk, flags: 0, fence: true });
  const qemu = async (...args: string[]): Promise<string> => {
    const child = spawn('qemu-io', ['-f', 'raw', ...args, disk]);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (more: string) => (text += more));
    }
    await new Promise((resolve) => child.on('close', resolve));
    return text;
  };
  t.match(await qemu('-c', 'write 0 512'), /"write" lock/);
  t.match(await qemu('-r', '-c', 'read 0 512'), /read 512\/512 bytes/);
});
