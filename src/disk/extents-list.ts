// From what is known of a disk's chunks to the extents of one answer. Pure.
import { CHUNK_BYTES } from '../base/limits.js';
import type { ChunkBits } from './chunk-bits.js';
import type { DiskRequest } from './disk.js';

/** What is known of a disk. Chunks that are marked nowhere are holes. */
export interface KnownChunks {
  /** Allocated, as the library says. */
  readonly allocated: ChunkBits;
  /** Written since the disk was opened; they count as allocated. */
  readonly written: ChunkBits | undefined;
  /** The chunks about which a library can be asked; what is behind them is data. */
  readonly wholeChunks: number;
  /** The state of a hole: EXTENT_* bits. */
  readonly holeState: number;
}

/** Where the run ends that `chunk` is in, of data or of a hole; `endChunk` at most. */
function runEnd({ allocated, written }: KnownChunks, chunk: number, endChunk: number): number {
  const isData = allocated.has(chunk) || written?.has(chunk) === true;
  if (!isData) {
    const end = allocated.runEnd(chunk, endChunk);
    return written?.runEnd(chunk, end) ?? end;
  }
  let at = chunk;
  while (at < endChunk) {
    if (allocated.has(at)) at = allocated.runEnd(at, endChunk);
    else if (written?.has(at) === true) at = written.runEnd(at, endChunk);
    else return at;
  }
  return endChunk;
}

/**
 * Lists the extents of `request` in it, up to chunk `knownEndChunk`, behind which nothing is known,
 * unless that is the last whole one. At most `request.extentsMax`, each as long as it can be.
 * The first chunk of the request must be known.
 */
export function listExtents(request: DiskRequest, known: KnownChunks, knownEndChunk: number): void {
  const { offsetBytes, lengthBytes, extents, extentsMax } = request;
  const { wholeChunks, holeState } = known;
  const endBytes = offsetBytes + lengthBytes;
  const endChunk = Math.min(Math.ceil(endBytes / CHUNK_BYTES), knownEndChunk);
  extents.length = 0;
  for (let at = offsetBytes; at < endBytes;) {
    const chunk = Math.floor(at / CHUNK_BYTES);
    let state = 0;
    let next = endBytes;
    if (chunk < wholeChunks) {
      if (chunk >= endChunk) return;
      const isHole = !known.allocated.has(chunk) && known.written?.has(chunk) !== true;
      state = isHole ? holeState : 0;
      next = Math.min(runEnd(known, chunk, endChunk) * CHUNK_BYTES, endBytes);
    }
    if (extents.at(-1) === state) {
      extents[extents.length - 2] = (extents.at(-2) ?? 0) + (next - at);
    } else {
      if (extents.length === 2 * extentsMax) return;
      extents.push(next - at, state);
    }
    at = next;
  }
}
