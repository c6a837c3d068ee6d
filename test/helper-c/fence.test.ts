// The fence: a lock of the helper's own on a local disk that is open for writing.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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

async function connected(t: Test): Promise<Driver> {
  const helper = new Driver(t);
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

t.test("QEMU's tools respect it", async (t) => {
  const disk = makeDisk(t);
  const helper = await connected(t);
  await helper.call('OPEN', { path: disk, flags: 0, fence: true });
  const qemu = spawn('qemu-io', ['-f', 'raw', '-c', 'write 0 512', disk]);
  let text = '';
  for (const stream of [qemu.stdout, qemu.stderr]) {
    stream.setEncoding('utf8').on('data', (more: string) => (text += more));
  }
  await new Promise((resolve) => qemu.on('close', resolve));
  t.match(text, /lock/);
});
