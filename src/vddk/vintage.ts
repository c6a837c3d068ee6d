// What old libraries lack, and what that means. Pure; open-disk.ts says it once for each disk.
// The rule: only what a user can notice is said.

/** Functions of later versions, the first version that has them, and what is not there without. */
const LATER: readonly { name: string; since: string; lack: string }[] = [
  {
    name: 'Flush',
    since: '6.0',
    lack: 'clients are not offered FLUSH and FUA, and writes may be lost in a crash',
  },
  { name: 'Wait', since: '6.5', lack: 'requests run one at a time' },
  { name: 'QueryAllocatedBlocks', since: '6.7', lack: 'holes are read as data' },
];

/** A sentence for each function that is not among `functions` and would be missed. */
export function missingFunctions(functions: readonly string[]): string[] {
  return LATER.filter(({ name }) => !functions.includes(name)).map(
    ({ name, since, lack }) =>
      `the library has no VixDiskLib_${name}, which came with VDDK ${since}: ${lack}`,
  );
}
