// helper/ops.def and src/helper/protocol.ts list the same operations in the same order.
import t from 'tap';
import { readFileSync } from 'node:fs';
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
