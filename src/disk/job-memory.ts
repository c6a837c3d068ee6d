// The memory of a job: how much it asks for, and what of it the server gets to see.
// The rule: `pieces` are the bytes of the request itself, never its unaligned edges.
import type { Slot } from '../arena/slots.js';
import { invariant } from '../base/errors.js';
import { PIECE_BYTES_MAX, SECTOR_BYTES } from '../base/limits.js';
import type { DiskRequest } from './disk.js';
import type { Job } from './job.js';

/** Room for the first and the last sector of an unaligned write. */
const EDGE_BYTES = 2 * SECTOR_BYTES;

/** Whether the memory of `request` is the server's for a time. */
export function lends({ op }: DiskRequest): boolean {
  return op === 'read' || op === 'write';
}

/** What memory `job` needs. Everything that the library reads for nobody goes to one slot. */
export function setDemand(job: Job): void {
  const { demand, request } = job;
  const rangeBytes = (job.endSector - job.startSector) * SECTOR_BYTES;
  const edgeBytes = job.hasEdges ? EDGE_BYTES : 0;
  demand.writeBytes = request.op === 'write' ? rangeBytes : edgeBytes;
  if (request.op === 'read') demand.readBytes = rangeBytes;
  else if (request.op !== 'cache') demand.readBytes = edgeBytes;
  else demand.readBytes = job.keeps ? rangeBytes : Math.min(rangeBytes, PIECE_BYTES_MAX);
}

/** Fills `request.pieces` with the bytes of the request itself, without its unaligned edges. */
export function lend(request: DiskRequest, slots: readonly Slot[], headBytes: number): void {
  let startBytes = headBytes;
  let leftBytes = request.lengthBytes;
  for (const slot of slots) {
    const pieceBytes = Math.min(PIECE_BYTES_MAX - startBytes, leftBytes);
    request.pieces.push(slot.view(startBytes, pieceBytes));
    leftBytes -= pieceBytes;
    startBytes = 0;
  }
  invariant(leftBytes === 0, 'the grant covers the request');
}
