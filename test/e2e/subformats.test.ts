// Every subformat that the built-in engine knows, made by qemu-img, read and written by nbdcopy.
// The size is odd: no multiple of a grain, a page, or a piece.
import path from 'node:path';
import t from 'tap';
import { makeEmpty, makeRaw, makeVmdk, qemuVerdict, sameBytes, SUBFORMATS } from '../lib/disks.js';
import { runServe, SERVED } from '../lib/serve.js';

const SIZE_BYTES = 61 * 1024 * 1024 + 7 * 512;

/** Holes are read as zeroes and then skipped in the copy, which is faster than writing them. */
const COPY_OUT = 'nbdcopy "$uri" "$OUT"';
const COPY_IN = 'nbdcopy --connections=4 "$IN" "$uri"';

for (const { name, writable } of SUBFORMATS) {
  t.test(`${name}: reading`, async (t) => {
    const dir = t.testdir({});
    const [raw, vmdk, out] = ['in.raw', 'disk.vmdk', 'out.raw'].map((file) => path.join(dir, file));
    makeRaw(raw!, SIZE_BYTES, 40);
    await makeVmdk(raw!, vmdk!, name);
    const env = { OUT: out };
    const args = ['-r', '-U', '-', `file=${vmdk!}`, 'engine=builtin', '--run', COPY_OUT];
    const copied = await runServe(args, { env });
    t.match(copied, SERVED);
    t.ok(await sameBytes(raw!, out!), 'the same bytes');
  });

  if (!writable) continue;
  t.test(`${name}: writing into an empty disk`, async (t) => {
    const dir = t.testdir({});
    const [raw, vmdk] = ['in.raw', 'disk.vmdk'].map((file) => path.join(dir, file));
    makeRaw(raw!, SIZE_BYTES, 40);
    await makeEmpty(vmdk!, SIZE_BYTES, name);
    const env = { IN: raw };
    const copied = await runServe([vmdk!, 'engine=builtin', '--run', COPY_IN], { env });
    t.match(copied, SERVED);
    t.equal(await qemuVerdict(raw!, vmdk!), '');
  });
}
