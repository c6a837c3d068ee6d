// Real clients as oracles: nbdinfo, nbdcopy, nbdsh, qemu-io and fio, in both ways of receiving.
import { writeFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { modes, patterned, serveMemory } from '../lib/nbd-server.js';
import { run, shortDir } from '../lib/serve.js';

const MIB = 1 << 20;
const SIZE = 48 * MIB + 512 + 3;

interface Info {
  exports: Record<string, unknown>[];
}

for (const { mode, zeroCopy } of modes) {
  t.test(`receiving ${mode}`, async (t) => {
    t.test('nbdinfo', async (t) => {
      const { uri } = await serveMemory(t, { zeroCopy });
      const { exitCode, stdout } = await run('nbdinfo', ['--json', uri]);
      t.equal(exitCode, 0);
      t.match(JSON.parse(stdout) as Info, {
        protocol: 'newstyle-fixed',
        exports: [
          {
            'export-name': '',
            description: 'a test disk',
            'export-size': MIB,
            is_read_only: false,
            can_flush: true,
            can_fua: true,
            can_multi_conn: true,
            can_trim: false,
            can_zero: true,
            can_fast_zero: true,
            can_cache: true,
            can_df: true,
            contexts: ['base:allocation'],
            block_size_minimum: 1,
            block_size_preferred: 4096,
            block_size_maximum: 32 * MIB,
          },
        ],
      });
      const listed = await run('nbdinfo', ['--list', '--json', uri]);
      t.match(JSON.parse(listed.stdout), { exports: [{ 'export-name': '' }] });
    });

    t.test('nbdinfo of what is read-only, and of what cannot flush', async (t) => {
      const readOnly = await serveMemory(t, { zeroCopy, readOnly: true });
      const shown = await run('nbdinfo', ['--json', readOnly.uri]);
      t.match(JSON.parse(shown.stdout), { exports: [{ is_read_only: true, can_zero: false }] });
      const noFlush = await serveMemory(t, { zeroCopy, canFlush: false });
      const other = await run('nbdinfo', ['--json', noFlush.uri]);
      t.match(JSON.parse(other.stdout), { exports: [{ can_flush: false, can_fua: false }] });
    });

    t.test('nbdcopy there and back', async (t) => {
      const dir = shortDir(t);
      for (const connections of ['1', '4']) {
        const data = Buffer.alloc(SIZE, 0xff);
        const { uri, disk } = await serveMemory(t, { zeroCopy, data });
        const original = patterned(SIZE, Number(connections));
        original.fill(0, 5 * MIB, 9 * MIB);
        writeFileSync(path.join(dir, 'in'), original);
        const options = [`--connections=${connections}`, '--flush'];
        const there = await run('nbdcopy', [...options, path.join(dir, 'in'), uri]);
        t.same([there.exitCode, there.stderr], [0, '']);
        t.ok(disk.data.equals(original), `${connections} connections: all bytes arrived`);
        t.ok(disk.ran.flush > 0);
        const back = await run('nbdcopy', [...options, uri, path.join(dir, 'out')]);
        t.same([back.exitCode, back.stderr], [0, '']);
        t.ok(readFileSync(path.join(dir, 'out')).equals(original), 'and came back');
        t.equal(disk.pool.lentBytes, 0);
      }
    });

    t.test('what is a hole is one in a copy', async (t) => {
      const dir = shortDir(t);
      const data = patterned(SIZE).fill(0, 5 * MIB, 9 * MIB);
      const { uri, disk } = await serveMemory(t, { zeroCopy, data, readOnly: true });
      const mapped = await run('nbdinfo', ['--map', uri]);
      t.match(mapped.stdout, /5242880\s+4194304\s+3\s+hole,zero/);
      const image = path.join(dir, 'image.qcow2');
      const converted = await run('qemu-img', ['convert', '-O', 'qcow2', uri, image]);
      t.equal(converted.exitCode, 0, converted.stderr);
      const same = await run('qemu-img', ['compare', uri, image]);
      t.equal(same.exitCode, 0, same.stdout);
      const shown = await run('qemu-img', ['map', '--output=json', uri]);
      t.match(JSON.parse(shown.stdout), [
        { start: 0, length: 5 * MIB, data: true },
        { start: 5 * MIB, length: 4 * MIB, zero: true, data: false },
        { start: 9 * MIB, data: true },
      ]);
      t.ok(disk.ran.extents > 0);
      t.equal(disk.pool.lentBytes, 0);
    });

    t.test('nbdcopy through little memory', async (t) => {
      const tight = { memoryBytes: 2 * MIB, requestBytesMax: MIB };
      const data = Buffer.alloc(SIZE, 0xff);
      const { uri, disk } = await serveMemory(t, { zeroCopy, data, ...tight });
      const original = patterned(SIZE, 11);
      const file = path.join(shortDir(t), 'in');
      writeFileSync(file, original);
      const { exitCode } = await run('nbdcopy', ['--requests=64', '--connections=4', file, uri]);
      t.equal(exitCode, 0);
      t.ok(disk.data.equals(original));
    });

    t.test('qemu-io', async (t) => {
      const { uri, disk } = await serveMemory(t, { zeroCopy });
      const commands = ['write -P 7 1k 300k', 'write -z 4k 8k', 'write -f -P 9 1000 1', 'flush'];
      const reads = [
        'read -P 7 1k 3k',
        'read -P 0 4k 8k',
        'read -P 7 12k 200k',
        'read -P 9 1000 1',
      ];
      const args = [...commands, ...reads].flatMap((command) => ['-c', command]);
      const { exitCode, stdout } = await run('qemu-io', ['-f', 'raw', ...args, uri]);
      t.equal(exitCode, 0, stdout);
      t.notMatch(stdout, /failed/i);
      t.ok(disk.ran.flush > 0 && disk.ran.fua > 0 && disk.ran.zero > 0);
    });

    t.test('nbdsh', async (t) => {
      const { uri } = await serveMemory(t, { zeroCopy });
      const script = [
        'h.set_strict_mode(0)',
        'import errno',
        'def expect(number, call):',
        '    try: call()',
        '    except nbd.Error as e: assert e.errnum == number, e',
        '    else: raise Exception("no error")',
        'expect(errno.EINVAL, lambda: h.pread(2, h.get_size() - 1))',
        'expect(errno.ENOSPC, lambda: h.pwrite(b"xx", h.get_size() - 1))',
        'expect(errno.ENOSPC, lambda: h.zero(2, h.get_size() - 1))',
        'expect(errno.EINVAL, lambda: h.trim(512, 0))',
        'expect(errno.ENOTSUP, lambda: h.zero(512, 0, nbd.CMD_FLAG_FAST_ZERO))',
        'h.cache(512, 0)',
        'h.pwrite(b"hello", 3, nbd.CMD_FLAG_FUA)',
        'h.zero(2, 4, nbd.CMD_FLAG_NO_HOLE)',
        'assert h.pread(5, 3) == b"h\\0\\0lo"',
        'h.flush()',
        'h.shutdown()',
      ];
      const { exitCode, stderr } = await run('/usr/bin/python3', [
        '-m',
        'nbd',
        '-u',
        uri,
        '-c',
        script.join('\n'),
      ]);
      t.same([exitCode, stderr], [0, '']);
    });

    t.test('fio with verification', async (t) => {
      const { uri, disk } = await serveMemory(t, { zeroCopy, data: Buffer.alloc(16 * MIB) });
      const args = ['--name=x', '--ioengine=nbd', `--uri=${uri}`, '--rw=randrw', '--size=16M'];
      const load = ['--bsrange=512-1M', '--bs_unaligned', '--iodepth=32', '--verify=crc32c'];
      const fio = await run('fio', [...args, ...load], { cwd: shortDir(t) });
      t.equal(fio.exitCode, 0, fio.stderr);
      t.ok(disk.ran.write > 10 && disk.ran.read > 10);
      t.equal(disk.pool.lentBytes, 0);
    });
  });
}

t.test('nbdcopy over TCP', async (t) => {
  const address = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
  const { uri, disk } = await serveMemory(t, { address, data: patterned(SIZE) });
  const file = path.join(shortDir(t), 'out');
  t.equal((await run('nbdcopy', ['--connections=4', uri, file])).exitCode, 0);
  t.ok(readFileSync(file).equals(disk.data));
});
