// Real clients with work to do: each reads or writes a whole small disk and knows what must come of
// it. Chaos picks them by its seed.
// The rule: a client that sees an error ends with an exit code other than 0, and never retries.
import path from 'node:path';
import type { Random } from '../sim/random.js';

export interface ChaosClient {
  name: string;
  /** What must be the same as the source in the end: the client's copy, or the disk itself. */
  compares: 'copy' | 'disk' | 'nothing';
  /** Its requests are of MiBs, so there are few. */
  isBulky?: boolean;
  /** The command, in `dir`, where `source` lies; it makes `copy` there, if it makes one. */
  command: (uri: string, dir: string, random: Random) => [string, ...string[]];
}

/** Writes, zeroes, reads and flushes at random, checks each read; source is what must be there. */
const SHELL = `
import os, random
rng = random.Random(SEED)
size = h.get_size()
model = bytearray(open("disk.before", "rb").read())
for n in range(STEPS):
    length = rng.randrange(1, 200000)
    offset = rng.randrange(0, size - length)
    kind = rng.randrange(10)
    flags = nbd.CMD_FLAG_FUA if rng.randrange(8) == 0 else 0
    if kind < 4:
        data = rng.randbytes(length)
        h.pwrite(data, offset, flags)
        model[offset:offset+length] = data
    elif kind < 5:
        h.zero(length, offset, flags)
        model[offset:offset+length] = bytes(length)
    elif kind < 9:
        if h.pread(length, offset) != model[offset:offset+length]:
            raise SystemExit("wrong bytes at %d+%d" % (offset, length))
    else:
        h.flush()
h.flush()
open("source", "wb").write(model)
`;

export const CLIENTS: readonly ChaosClient[] = [
  {
    name: 'nbdcopy reads',
    compares: 'copy',
    command: (uri, dir) => ['nbdcopy', '--request-size=65536', uri, path.join(dir, 'copy')],
  },
  {
    name: 'qemu-img reads',
    compares: 'copy',
    isBulky: true,
    command: (uri, dir) => [
      ...(['qemu-img', 'convert', '-f', 'raw', '-O', 'raw'] as const),
      ...[uri, path.join(dir, 'copy')],
    ],
  },
  {
    name: 'nbdcopy writes',
    compares: 'disk',
    command: (uri, dir) => [
      ...(['nbdcopy', '--flush', '--request-size=65536'] as const),
      ...[path.join(dir, 'source'), uri],
    ],
  },
  {
    name: 'qemu-img writes',
    compares: 'disk',
    isBulky: true,
    command: (uri, dir) => [
      ...(['qemu-img', 'convert', '-n', '-S', '0', '-f', 'raw', '-O', 'raw'] as const),
      ...[path.join(dir, 'source'), uri],
    ],
  },
  {
    name: 'nbdsh',
    compares: 'disk',
    command: (uri, dir, random) => [
      ...(['nbdsh', '-u', uri, '-c', `import os; os.chdir("${dir}")`] as const),
      '-c',
      SHELL.replace('SEED', String(random.below(2 ** 31))).replace('STEPS', '300'),
    ],
  },
  {
    name: 'qemu-io',
    compares: 'nothing',
    command: (uri, _dir, random) => {
      const steps: string[] = [];
      for (let n = 0; n < 60; n++) {
        const offset = random.below(8000) * 4096 + random.below(512);
        const where = `${offset} ${1 + random.below(300_000)}`;
        const pattern = 1 + random.below(255);
        steps.push('-c', `write -q -P ${pattern} ${where}`, '-c', `read -P ${pattern} ${where}`);
        if (random.chance(0.2)) steps.push('-c', 'flush');
      }
      return ['qemu-io', '-f', 'raw', ...steps, uri];
    },
  },
  {
    name: 'fio',
    compares: 'nothing',
    command: (uri, _dir, random) => [
      'fio',
      ...['--name=verify', '--ioengine=nbd', `--uri=${uri}`, '--rw=randrw', '--iodepth=32'],
      ...['--bsrange=4k-128k', '--size=32m', '--io_size=48m', '--fsync=64', '--verify=crc32c'],
      ...['--verify_backlog=128', `--randseed=${random.below(2 ** 31)}`],
    ],
  },
];
