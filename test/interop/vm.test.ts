// A virtual machine boots from an export: SeaBIOS and QEMU's block layer as clients. The machine
// reads by the BIOS, prints what it found on its serial port, writes a sector back and ends itself.
// It is emulated, which for 512 bytes of program is faster than asking for /dev/kvm.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { must, run } from '../lib/serve.js';
import { MIB, patch, place, serveImage } from './served.js';

const SOURCE = path.join(import.meta.dirname, 'boot.S');
const GREETING = 'Hello from sector 1000\n';
/** What boot.S gives to isa-debug-exit, 16, becomes 16 * 2 + 1. */
const ENDED_WELL = 33;

async function boot(uri: string): Promise<{ exitCode: number | undefined; stdout: string }> {
  return run('qemu-system-x86_64', [
    ...['-accel', 'tcg', '-nodefaults', '-display', 'none', '-m', '32', '-serial', 'stdio'],
    ...['-device', 'isa-debug-exit,iobase=0xf4', '-drive', `file=${uri},format=raw,if=virtio`],
  ]);
}

t.test('a machine boots, reads and writes, also over the death of the library', async (t) => {
  const { at, empty } = place(t);
  const image = empty('disk', 4 * MIB);
  await must('gcc', [
    ...['-m32', '-nostdlib', '-no-pie', '-Wl,--build-id=none', '-Wl,--oformat=binary'],
    ...['-Wl,-Ttext=0x7c00', '-o', at('boot'), SOURCE],
  ]);
  patch(image, 0, readFileSync(at('boot')));
  patch(image, 1000 * 512, Buffer.from(GREETING));
  const server = await serveImage(t, image);
  const first = await boot(server.uri!);
  t.match(first, { exitCode: ENDED_WELL, stdout: `${GREETING}written` });
  const sector = (lba: number): Buffer => readFileSync(image).subarray(lba * 512, lba * 512 + 512);
  t.ok(sector(2001).equals(sector(1000)), 'what it wrote is there');
  t.ok(sector(2000).equals(Buffer.alloc(512)) && sector(2002).equals(Buffer.alloc(512)));

  patch(image, 2001 * 512, Buffer.alloc(512));
  process.kill(server.helper!, 'SIGKILL');
  t.match(await boot(server.uri!), { exitCode: ENDED_WELL });
  t.ok(sector(2001).equals(sector(1000)));
  t.match(await server.stop(), { exitCode: 0 });
});
