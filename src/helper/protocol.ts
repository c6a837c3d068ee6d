// The messages of the helper protocol as types and numbers; docs/helper-protocol.md specifies them.
// helper/ops.def has the same operations in the same order. Pure: no I/O, no msgpack.

/** Equality is required: both halves ship together. */
export const PROTOCOL_VERSION = 1;

/** First element of every message. */
export const KIND_CALL = 1;
export const KIND_IO = 2;
export const KIND_RESULT = 3;
export const KIND_DONE = 4;
export const KIND_EVENT = 5;

/** Operations with a map of parameters and a map as result, one at a time. */
export const CALL_OPS = {
  HELLO: 1,
  CONNECT: 2,
  OPEN: 3,
  INFO: 4,
  ALLOCATED_BLOCKS: 5,
  CLOSE: 6,
  PING: 7,
  CREATE: 8,
} as const;
export type CallOp = keyof typeof CALL_OPS;

/** Operations that travel in batches of five integers. */
export const IO_OPS = { READ: 16, WRITE: 17, FLUSH: 18 } as const;
export type IoOp = keyof typeof IO_OPS;
export type IoOpNumber = (typeof IO_OPS)[IoOp];

/** Integers of one request in an IO message: id, op, startSector, nrSectors, arenaOffset. */
export const IO_STRIDE = 5;
/** Integers of one answer in a DONE message: id, vixError. */
export const DONE_STRIDE = 2;

/** Calls to tell of: all but I/O; those too. */
export const TRACE = { CALLS: 1, IO: 2 } as const;

export interface HelloParams {
  libraries: string[];
  libdir: string;
  config: string | undefined;
  readArenaBytes: number;
  writeArenaBytes: number;
  /** Offset in the read arena of counters of calls (call-counts.ts). Not given: don't count. */
  countersOffset?: number;
  /** Which calls of the library to tell of in log events of level trace; not given: none. */
  trace?: (typeof TRACE)[keyof typeof TRACE];
}
export interface HelloResult {
  library: string;
  libraryVersion: number;
  functions: string[];
  transportModes: string;
}

/** VixDiskLibConnectParams by VMware's names, and the arguments of ConnectEx. */
export interface ConnectParams {
  readOnly: boolean;
  vmxSpec?: string;
  serverName?: string;
  userName?: string;
  thumbPrint?: string;
  password?: Buffer;
  cookie?: Buffer;
  port?: number;
  nfcHostPort?: number;
  snapshot?: string;
  transportModes?: string;
}

/** VixDiskLibCreateParams, and the path of the new disk. */
export interface CreateParams {
  path: string;
  diskType: number;
  adapterType: number;
  hwVersion: number;
  capacitySectors: number;
}

export interface OpenParams {
  path: string;
  /** VixDiskLib_Open flags (helper/vixdisklib.h). */
  flags: number;
  /** Take a lock of our own on the file first: a dead session's writes can't land behind it. */
  fence?: boolean;
}
export interface OpenResult {
  transportMode: string;
}

export interface InfoResult {
  capacitySectors: number;
  logicalSectorBytes: number;
  physicalSectorBytes: number;
  adapterType: number;
  numLinks: number;
  uuid: string | undefined;
  parentFileNameHint: string | undefined;
}

export interface AllocatedBlocksParams {
  startSector: number;
  nrSectors: number;
  chunkSectors: number;
}
export interface AllocatedBlocksResult {
  /** offset, length, offset, length, ... in sectors, ascending. */
  blocks: number[];
}

export interface PingResult {
  /** How long the library thread has been inside its present call; 0 = it is not. */
  inCallMs: number;
  call: string;
  /** How long the library has had the oldest READ or WRITE that it has not completed; 0 = none. */
  oldestIoMs: number;
  /** The id of that request. */
  oldestIo: number;
}

/** Parameters and result of each call. */
export interface Calls {
  HELLO: { params: HelloParams; result: HelloResult };
  CONNECT: { params: ConnectParams; result: Record<string, never> };
  OPEN: { params: OpenParams; result: OpenResult };
  INFO: { params: Record<string, never>; result: InfoResult };
  ALLOCATED_BLOCKS: { params: AllocatedBlocksParams; result: AllocatedBlocksResult };
  CLOSE: { params: Record<string, never>; result: Record<string, never> };
  CREATE: { params: CreateParams; result: Record<string, never> };
  PING: { params: Record<string, never>; result: PingResult };
}

export type HelperLogLevel = 'debug' | 'warning' | 'error' | 'helper' | 'trace';

/** What the helper says on its own. */
export type HelperEvent =
  | { name: 'log'; level: HelperLogLevel; text: string; dropped: number }
  | { name: 'panic'; text: string };
