// Disks past 4 GiB: offsets that need more than 32 bits, and three extents in the split formats.
// Nearly all of it is holes, so that it takes little time and space.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { makeEmpty, makeRaw, makeVmdk, qemuVerdict, sameBytes } from '../lib/disks.js';
import { runServe, SERVED } from '../lib/serve.js';

const SIZE_BYTES = 4_300_000_256;

for (const name of ['twoGbMaxExtentSparse', 'twoGbMaxExtentFlat', 'monolithicSparse']) {
  t.test(`${name} of 4.3 GB`, async (t) => {
    const dir = t.testdir({});
    const file = (base: string): string => path.join(dir, base);
    makeRaw(file('in.raw'), SIZE_BYTES, 60);
    await makeVmdk(file('in.raw'), file('disk.vmdk'), name);
    const files = readdirSync(dir).filter((base) => base.startsWith('disk'));
    t.equal(files.length, name === 'monolithicSparse' ? 1 : 4, 'a descriptor and three extents');
    const env = { IN: file('in.raw'), OUT: file('out.raw') };

    const copyOut = ['-r', '-U', '-', `file=${file('disk.vmdk')}`, 'engine=builtin', '--run'];
    t.match(await runServe([...copyOut, 'nbdcopy "$uri" "$OUT"'], { env }), SERVED);
    t.ok(await sameBytes(file('in.raw'), file('out.raw')), 'the same bytes');

    await makeEmpty(file('empty.vmdk'), SIZE_BYTES, name);
    const copyIn = [file('empty.vmdk'), 'engine=builtin', '--run', 'nbdcopy "$IN" "$uri"'];
    t.match(await runServe(copyIn, { env }), SERVED);
    t.equal(await qemuVerdict(file('in.raw'), file('empty.vmdk')), '');
  });
}
