// The same lists in the same order in C and in TypeScript: helper/ops.def and protocol.ts, the
// functions of helper/vixdisklib.h and call-counts.ts.
import t from 'tap';
import { readFileSync } from 'node:fs';
import { VIX_FUNCTIONS } from '../../src/helper/call-counts.js';
import { CALL_OPS, IO_OPS } from '../../src/helper/protocol.js';

t.test('ops.def', async (t) => {
  const path = new URL('../../helper/ops.def', import.meta.url);
  const rows = readFileSync(path, 'utf8').matchAll(/^OP \((\w+), (\d+), (\w+)\)$/gm);
  const inC = [...rows].map(([, name, number, kind]) => ({ name, number: Number(number), kind }));
  const row =
    (kind: string) =>
    ([name, number]: [string, number]) => ({ name, number, kind });
  const inTypeScript = [
    ...Object.entries(CALL_OPS).map(row('CALL')),
    ...Object.entries(IO_OPS).map(row('IO')),
  ];
  t.same(inC, inTypeScript);
});

t.test('vixdisklib.h', async (t) => {
  const path = new URL('../../helper/vixdisklib.h', import.meta.url);
  const rows = readFileSync(path, 'utf8').matchAll(/^ {2}VIX_FN \([^,]+, (\w+),/gm);
  t.same(
    [...rows].map(([, name]) => name),
    VIX_FUNCTIONS,
  );
});
