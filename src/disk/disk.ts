// The seam. Left of it NBD knows nothing of processes; right of it nobody knows NBD.
// The server makes DiskRequests, a Disk lends the memory they are received into and sent from.
// The rule: memory in `pieces` belongs to the server from the grant until submit() (a write) and
// from completed() until release() (a read); at all other times only the disk touches it.

/**
 * What a request asks for. `extents`: what of a range is data, what holes, as far as one answer
 * goes. `cache`: the range will be read soon; as much of it as is reasonable is made ready.
 */
export type DiskOp = 'read' | 'write' | 'zero' | 'flush' | 'extents' | 'cache';

/** Bits of an extent's state; neither is data. The storage holds nothing for the range. */
export const EXTENT_HOLE = 1;
/** The range reads as zeroes. A hole of which that isn't known may show what is below it. */
export const EXTENT_ZERO = 2;

/** Why a request failed, named after the errno that a client shall see. */
export type DiskErrorCode =
  'EPERM' | 'EIO' | 'ENOMEM' | 'EINVAL' | 'ENOSPC' | 'ENOTSUP' | 'EOVERFLOW' | 'ESHUTDOWN';

/**
 * One request, from its grant to its release. The server keeps a pool of these records and uses
 * each again after release(); it may add fields of its own in a subclass (a cookie, say).
 */
export class DiskRequest {
  op: DiskOp = 'read';
  /** First byte, any alignment; offset + length are within the disk (the server has checked). */
  offsetBytes = 0;
  /**
   * Length: 1 to Disk.requestBytesMax for read and write, 0 for flush, any but 0 for the others.
   */
  lengthBytes = 0;
  /** Answer only when this write (and its bytes alone) is durable. For write and zero. */
  fua = false;
  /** Views of the lent memory, in order, together lengthBytes long. Read and write only. */
  readonly pieces: Buffer[] = [];
  /** For read: `extents` may be used to say where there are zeroes. */
  takesHoles = false;
  /** For extents, and a read that takes holes: no more than this many; at least 1. */
  extentsMax = 1;
  /**
   * The result of extents: lengthBytes, state, lengthBytes, state, ... from offsetBytes on, none
   * empty, no two neighbours of the same state, together at most lengthBytes of the request.
   * The result of a read that takes holes: nothing, or the same for the whole range, and then the
   * server looks at no byte of an EXTENT_ZERO; if all is one of those, `pieces` may be empty.
   */
  readonly extents: number[] = [];
  /** Undefined is success. Set before completed(). */
  error: DiskErrorCode | undefined = undefined;
  /** A sentence for `error`, for the log and for clients that take text. */
  errorText = '';
  /** Where it went wrong, a byte of the range; -1 is not known. */
  errorOffsetBytes = -1;
  /** The disk's own record of this request; the server never looks at it. */
  job: unknown = undefined;
}

/** One client connection, as the disk sees it. Calls may come inside begin() and submit(). */
export interface DiskClient {
  /** The memory of `request`, for which begin() returned false, is there now. */
  granted(request: DiskRequest): void;
  /** `request` has its final result. The server release()s it when its reply has left. */
  completed(request: DiskRequest): void;
}

/** The requests of one client connection, and the memory it holds. */
export interface DiskSession {
  /**
   * Asks for the memory of `request` (all of it or nothing, in arrival order over sessions).
   * True: it is there now; false: granted() will say so. A session has at most one request waiting
   * and begins no other until it is granted. Only read and write are ever not granted at once.
   * A write waits for submit(), everything else runs from its grant.
   */
  begin(request: DiskRequest): boolean;
  /** The payload of a granted write is complete in its pieces: run it. */
  submit(request: DiskRequest): void;
  /** The reply of a completed request has left, or will never leave: its memory is free again. */
  release(request: DiskRequest): void;
  /** A request that waits for its grant, or a granted write never submitted, is thrown away. */
  abandon(request: DiskRequest): void;
  /**
   * The oldest moment (Clock.nowMs) at which another session began to wait for memory, if one does.
   */
  othersWaitSinceMs(): number | undefined;
  /** No more begin(). Requests under way still complete, and are then released by the caller. */
  end(): void;
}

/** An open disk. All sessions share it, and see each other's completed writes at once. */
export interface Disk {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** False: the library can't flush; FLUSH and FUA are not to be advertised. */
  readonly canFlush: boolean;
  /** Longest read or write, a multiple of 4096. */
  readonly requestBytesMax: number;
  /** What a client should align to and use at least, a power of two of 4096 or more. */
  readonly preferredBlockBytes: number;
  session(client: DiskClient): DiskSession;
  /**
   * Waits for what was submitted, flushes, closes. Resolves with the reasons why data may not be
   * durable, one line each; empty is a clean end. Idempotent.
   */
  close(): Promise<string[]>;
}
