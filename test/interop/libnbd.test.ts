// libnbd's programs: nbdinfo, nbdcopy, nbddump, nbdfuse and nbdsh, each against the whole server.
// (test/e2e/unaligned.test.ts has nbdsh with several threads, test/e2e/tls.test.ts the same over
// TLS.)
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { execa } from 'execa';
import t from 'tap';
import { sameBytes } from '../lib/disks.js';
import { eventually, must, run } from '../lib/serve.js';
import { MIB, patch, place, serveImage } from './served.js';

const SIZE = 24 * MIB + 3 * 512;

t.test('nbdcopy with 1, 4 and 16 connections, there and back', async (t) => {
  const { at, empty, image } = place(t);
  const source = image('source', SIZE);
  const server = await serveImage(t, empty('disk', SIZE));
  for (const connections of ['1', '4', '16']) {
    const options = [`--connections=${connections}`, '--requests=16', '--request-size=65536'];
    patch(at('disk'), 0, Buffer.alloc(SIZE, 0xff));
    await must('nbdcopy', [...options, '--flush', source, server.uri!]);
    t.ok(await sameBytes(source, at('disk')), `${connections} connections: written`);
    await must('nbdcopy', [...options, server.uri!, at('copy')]);
    t.ok(await sameBytes(source, at('copy')), 'and read');
  }
  t.match(await must('nbdcopy', [server.uri!, '-'], { encoding: 'buffer' }), /./s, 'to a pipe');
  const other = await serveImage(t, empty('other', SIZE));
  await must('nbdcopy', ['--connections=4', server.uri!, other.uri!]);
  t.ok(await sameBytes(source, at('other')), 'from server to server');
  await other.stop();
  t.match(await server.stop(), { exitCode: 0 });
});

t.test('nbdinfo says of the disk what is so', async (t) => {
  const { image } = place(t);
  const server = await serveImage(t, image('disk', SIZE), ['-r']);
  const info = (...args: string[]): Promise<string> => must('nbdinfo', [...args, server.uri!]);
  t.equal(await info('--size'), String(SIZE));
  const { exitCode } = await run('nbdinfo', ['--is', 'read-only', server.uri!]);
  t.equal(exitCode, 0);
  for (const can of ['connect', 'read', 'multi-conn', 'cache', 'df', 'structured-reply']) {
    t.equal((await run('nbdinfo', ['--can', can, server.uri!])).exitCode, 0, can);
  }
  for (const cannot of ['write', 'trim', 'zero', 'fua', 'flush', 'fast-zero']) {
    t.equal((await run('nbdinfo', ['--can', cannot, server.uri!])).exitCode, 2, cannot);
  }
  t.equal((await run('nbdinfo', ['--is', 'rotational', server.uri!])).exitCode, 2);
  t.match(
    await info('--totals', '--map'),
    /^ *\d+ +\d+\.\d% +0 data\n *\d+ +\d+\.\d% +3 hole,zero$/,
  );
  const rows = JSON.parse(await info('--map', '--json')) as { offset: number; length: number }[];
  const end = rows.reduce((at, { offset, length }) => (offset === at ? at + length : NaN), 0);
  t.equal(end, SIZE, 'the rows cover the disk');
});

t.test('nbddump shows the bytes', async (t) => {
  const { empty } = place(t);
  const disk = empty('disk', MIB);
  patch(disk, 70_000, Buffer.from('sixteen letters.'));
  const server = await serveImage(t, disk, ['-r']);
  const zeroes = '00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 |................|';
  const letters = '73 69 78 74 65 65 6e 20 6c 65 74 74 65 72 73 2e |sixteen letters.|';
  const dump = await must('nbddump', [server.uri!]);
  const lines = dump.split('\n').map((line) => line.replaceAll(/ +/g, ' '));
  t.same(lines, [
    `0000000000: ${zeroes}`,
    '*',
    `0000011170: ${letters}`,
    `0000011180: ${zeroes}`,
    '*',
    `00000ffff0: ${zeroes}`,
  ]);
});

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

t.test('nbdfuse shows the disk as a file that can be read and written', async (t) => {
  const { at, image } = place(t);
  const source = image('disk', SIZE);
  const server = await serveImage(t, source);
  mkdirSync(at('fuse'));
  const fuse = execa('nbdfuse', ['--connections=4', at('fuse/nbd'), server.uri!], {
    reject: false,
  });
  t.teardown(() => run('fusermount3', ['-u', '-z', at('fuse')]));
  await eventually('the file of nbdfuse', () => existsSync(at('fuse/nbd')));
  t.equal(await sha256(at('fuse/nbd')), await sha256(source));
  patch(at('fuse/nbd'), 1_000_001, Buffer.from('unaligned'));
  await must('dd', [
    'if=/dev/zero',
    `of=${at('fuse/nbd')}`,
    'bs=1000',
    'seek=5000',
    'count=3000',
    'conv=notrunc,fsync',
    'status=none',
  ]);
  await must('fusermount3', ['-u', at('fuse')]);
  await fuse;
  t.match(await server.stop(), { exitCode: 0 });
  const disk = readFileSync(source);
  t.equal(disk.toString('latin1', 1_000_001, 1_000_010), 'unaligned');
  t.ok(disk.subarray(5_000_000, 8_000_000).every((byte) => byte === 0));
});

const MISUSE = `
import errno
h.set_strict_mode(0)
def expect(number, call):
    try: call()
    except nbd.Error as e: assert e.errnum == number, e
    else: raise SystemExit("no error")
size = h.get_size()
expect(errno.EINVAL, lambda: h.pread(33 << 20, 0))
expect(errno.EINVAL, lambda: h.pwrite(bytearray(33 << 20), 0))
expect(errno.EINVAL, lambda: h.pread(1, size))
expect(errno.ENOSPC, lambda: h.pwrite(b"x", size))
expect(errno.ENOSPC, lambda: h.zero(2, size - 1))
expect(errno.EINVAL, lambda: h.trim(512, 0))
expect(errno.ENOTSUP, lambda: h.zero(512, 0, nbd.CMD_FLAG_FAST_ZERO))
expect(errno.EINVAL, lambda: h.pread(0, 0))
expect(errno.EINVAL, lambda: h.flush(0x80))
assert len(h.pread(32 << 20, 0)) == 32 << 20
h.pwrite(b"y" * (32 << 20), 5)
assert h.pread(32 << 20, 5) == b"y" * (32 << 20)
h.shutdown()
`;

t.test('nbdsh: what is wrong gets its error, and the connection lives', async (t) => {
  const { empty } = place(t);
  const server = await serveImage(t, empty('disk', 40 * MIB));
  const { exitCode, stderr } = await run('/usr/bin/python3', [
    '-m',
    'nbd',
    '-u',
    server.uri!,
    '-c',
    MISUSE,
  ]);
  t.equal(exitCode, 0, stderr);
});
