// Unaligned reads and writes around sector borders from several threads, each on a connection of
// its own, by nbdsh: neighbours share sectors, so each write is a read, a change and a write of
// sectors that others change at the same time. Everybody's bytes must be there in the end.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { REPO, runServe, shortDir } from '../lib/serve.js';

const THREADS = 4;
const ROUNDS = 150;

/**
 * Thread n owns the stripes n, n + THREADS, ... of a region; stripes are 100 to 700 bytes long, so
 * that almost every sector has several owners. It writes and zeroes parts of its stripes, reads
 * them back at once, and compares all of them with its model in the end.
 */
const SCRIPT = `
import random, sys, threading
uri, seed, threads, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
rng = random.Random(seed)
stripes, at = [], 0
while at < 60000:
    length = rng.randint(100, 700)
    stripes.append((at, length))
    at += length
failures = []

def work(n):
    try:
        rng = random.Random(seed * 100 + n)
        h = nbd.NBD()
        h.connect_uri(uri)
        mine = {at: bytearray(length) for at, length in stripes[n::threads]}
        for at, model in mine.items():
            h.zero(len(model), at)
        for _ in range(rounds):
            at = rng.choice(list(mine))
            model = mine[at]
            start = rng.randrange(len(model))
            end = rng.randint(start + 1, len(model))
            flags = nbd.CMD_FLAG_FUA if rng.random() < 0.1 else 0
            if rng.random() < 0.2:
                model[start:end] = bytes(end - start)
                h.zero(end - start, at + start, flags)
            else:
                model[start:end] = rng.randbytes(end - start)
                h.pwrite(bytes(model[start:end]), at + start, flags)
            start = rng.randrange(len(model))
            assert h.pread(len(model) - start, at + start) == model[start:], "read back"
        for at, model in mine.items():
            assert h.pread(len(model), at) == model, "in the end"
        h.flush()
        h.shutdown()
    except BaseException as error:
        failures.append(repr(error))

workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
for worker in workers: worker.start()
for worker in workers: worker.join()
print("failures:", failures)
`;

for (const [name, rules] of [
  ['with a healthy library', ''],
  ['with one that answers late and dies', 'complete=shuffle; crash=segv p=0.0007 seed=3'],
] as const) {
  t.test(name, async (t) => {
    const dir = shortDir(t);
    const [image, script] = [path.join(dir, 'disk.img'), path.join(dir, 'script.py')];
    // What lies between the stripes and behind them stays as it is.
    writeFileSync(image, Buffer.alloc(1 << 20, 0xa5));
    writeFileSync(script, `import nbd\n${SCRIPT}`);
    const result = await runServe(
      [
        `libdir=${path.join(REPO, 'build/fault')}`,
        `file=${image}`,
        '--run',
        `/usr/bin/python3 ${script} "$uri" 7 ${THREADS} ${ROUNDS}; ` +
          `/usr/bin/python3 -m nbd -u "$uri" -c 'assert h.pread(4096, 65536) == b"\\xa5" * 4096'`,
      ],
      { env: { FAULT: rules } },
    );
    t.match(result, { exitCode: 0, stdout: 'failures: []' });
    if (rules !== '') t.match(result.stderr, /helper replaced/, 'it has died');
  });
}
