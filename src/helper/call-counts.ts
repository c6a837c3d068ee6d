// What the helpers of a disk have counted in its read arena: calls, bytes and time of each function
// of the library (docs/helper-protocol.md, Counters). Pure.
// The rule: a library can write there, so the numbers are believed for nothing but showing them.

/** VixDiskLib_ functions in the order of helper/vixdisklib.h, which is that of the counters. */
export const VIX_FUNCTIONS = [
  'InitEx',
  'Exit',
  'ListTransportModes',
  'GetErrorText',
  'FreeErrorText',
  'AllocateConnectParams',
  'FreeConnectParams',
  'ConnectEx',
  'Disconnect',
  'Open',
  'Close',
  'GetTransportMode',
  'GetInfo',
  'FreeInfo',
  'Read',
  'Write',
  'Create',
  'Flush',
  'ReadAsync',
  'WriteAsync',
  'Wait',
  'QueryAllocatedBlocks',
  'FreeBlockList',
] as const;

/** Bytes of the counters of one function. */
const ROW_BYTES = 24;

/** What was counted of one function. */
export interface CallCount {
  /** Without the prefix. */
  name: string;
  calls: bigint;
  bytes: bigint;
  /** Microseconds inside the call; of an asynchronous one, until its completion. */
  us: bigint;
}

/** Functions that were called, from the counters at the beginning of `memory`. */
export function readCallCounts(memory: Buffer): CallCount[] {
  return VIX_FUNCTIONS.map((name, index) => ({
    name,
    calls: memory.readBigUInt64LE(index * ROW_BYTES),
    bytes: memory.readBigUInt64LE(index * ROW_BYTES + 8),
    us: memory.readBigUInt64LE(index * ROW_BYTES + 16),
  })).filter(({ calls }) => calls > 0n);
}
