// How the reply to one request is put into a batch: as a simple reply, or in chunks.
// Each function returns how many bytes that is, payload included, or 0 if the batch must leave
// first. The rule: a reply whose payload is sent from the disk's memory is in `batch.held` then,
// and nothing else of it is needed any more otherwise.
import { invariant } from '../base/errors.js';
import {
  CONNECTION_REPLY_BYTES_MAX,
  CONNECTION_REQUESTS_MAX,
  EXTENTS_PER_REPLY_MAX,
  READ_EXTENTS_MAX,
} from '../base/limits.js';
import { EXTENT_HOLE, EXTENT_ZERO } from '../disk/disk.js';
import {
  NBD_STATE_HOLE,
  NBD_STATE_ZERO,
  NBD_SUCCESS,
  SIMPLE_REPLY_BYTES,
} from '../nbd/constants.js';
import { NBD_ALLOCATION_CONTEXT_ID } from '../nbd/meta-context.js';
import {
  ChunkWriter,
  CONTENT_CHUNK_BYTES_MAX,
  ERROR_CHUNK_BYTES_MAX,
  writeSimpleReply,
} from '../nbd/reply.js';
import { type Batch, STAGING_BYTES } from './batch.js';
import type { RequestRecord } from './request-record.js';

/** Payloads up to this are copied behind their header: cheaper than a buffer of their own. */
const COPY_BYTES_MAX = 16 * 1024;

export const structured = new ChunkWriter(false);
export const extended = new ChunkWriter(true);

invariant(
  (EXTENT_HOLE as number) === NBD_STATE_HOLE && (EXTENT_ZERO as number) === NBD_STATE_ZERO,
  "a disk's states go out as they are",
);
// Replies without payload wait as records, and there are no more records than this.
invariant(
  CONNECTION_REQUESTS_MAX * SIMPLE_REPLY_BYTES <= CONNECTION_REPLY_BYTES_MAX,
  'unsent replies are bounded',
);
invariant(
  COPY_BYTES_MAX + CONTENT_CHUNK_BYTES_MAX * READ_EXTENTS_MAX <= STAGING_BYTES &&
    ERROR_CHUNK_BYTES_MAX <= STAGING_BYTES &&
    extended.blockStatusBytes(EXTENTS_PER_REPLY_MAX) <= STAGING_BYTES,
  'one reply always fits an empty staging buffer',
);

/** A simple reply, with the payload of a successful read. */
export function stageSimple(batch: Batch, record: RequestRecord): number {
  const withPayload = record.op === 'read' && record.errorValue === NBD_SUCCESS;
  const payloadBytes = withPayload ? record.lengthBytes : 0;
  const copied = payloadBytes <= COPY_BYTES_MAX;
  const neededBytes = SIMPLE_REPLY_BYTES + (copied ? payloadBytes : 0);
  const staging = batch.room(neededBytes);
  if (staging === undefined) return 0;
  const { errorValue, cookieHigh, cookieLow } = record;
  let end = writeSimpleReply(staging, batch.at, errorValue, cookieHigh, cookieLow);
  if (copied && withPayload) {
    for (const piece of record.pieces) end += piece.copy(staging, end);
  }
  batch.staged(end);
  if (copied) return neededBytes;
  batch.sendPieces(record.pieces);
  batch.held.push(record);
  return neededBytes + payloadBytes;
}

/** A reply in chunks where that must be, and where it tells more. */
export function stageChunks(batch: Batch, record: RequestRecord, writer: ChunkWriter): number {
  if (record.errorValue !== NBD_SUCCESS) return stageError(batch, record, writer);
  if (record.op === 'read') return stageRead(batch, record, writer);
  const isExtents = record.op === 'extents';
  const extentCount = record.extents.length / 2;
  const neededBytes = isExtents ? writer.blockStatusBytes(extentCount) : writer.headerBytes;
  const staging = batch.room(neededBytes);
  if (staging === undefined) return 0;
  const { at } = batch;
  const id = NBD_ALLOCATION_CONTEXT_ID;
  batch.staged(
    isExtents
      ? writer.writeBlockStatus(staging, at, record, id, record.extents)
      : writer.writeSuccess(staging, at, record),
  );
  return neededBytes;
}

function stageError(batch: Batch, record: RequestRecord, writer: ChunkWriter): number {
  const staging = batch.room(ERROR_CHUNK_BYTES_MAX);
  if (staging === undefined) return 0;
  const { at } = batch;
  const { errorValue, errorText, errorOffsetBytes } = record;
  batch.staged(writer.writeError(staging, at, record, errorValue, errorText, errorOffsetBytes));
  return batch.at - at;
}

/** Data in one chunk, unless the disk has said where there are zeroes. */
function stageRead(batch: Batch, record: RequestRecord, writer: ChunkWriter): number {
  const { offsetBytes, lengthBytes, extents, pieces } = record;
  if (extents.length > 0) return stageSparseRead(batch, record, writer);
  const copied = lengthBytes <= COPY_BYTES_MAX;
  const neededBytes = writer.headerBytes + 8 + (copied ? lengthBytes : 0);
  const staging = batch.room(neededBytes);
  if (staging === undefined) return 0;
  let end = writer.writeOffsetData(staging, batch.at, record, offsetBytes, lengthBytes, true);
  if (copied) for (const piece of pieces) end += piece.copy(staging, end);
  batch.staged(end);
  if (copied) return neededBytes;
  batch.sendPieces(pieces);
  batch.held.push(record);
  return neededBytes + lengthBytes;
}

function stageSparseRead(batch: Batch, record: RequestRecord, writer: ChunkWriter): number {
  const { extents, pieces, lengthBytes } = record;
  const copied = lengthBytes <= COPY_BYTES_MAX;
  const headersBytes = (extents.length / 2) * CONTENT_CHUNK_BYTES_MAX;
  const staging = batch.room(headersBytes + (copied ? lengthBytes : 0));
  if (staging === undefined) return 0;
  let sentBytes = 0;
  let startBytes = 0;
  for (let i = 0; i < extents.length; i += 2) {
    const extentBytes = extents[i] ?? 0;
    const isZero = ((extents[i + 1] ?? 0) & EXTENT_ZERO) !== 0;
    const isLast = i + 2 === extents.length;
    const offsetBytes = record.offsetBytes + startBytes;
    const { at } = batch;
    batch.staged(
      isZero
        ? writer.writeOffsetHole(staging, at, record, offsetBytes, extentBytes, isLast)
        : writer.writeOffsetData(staging, at, record, offsetBytes, extentBytes, isLast),
    );
    sentBytes += batch.at - at;
    if (!isZero) {
      if (copied) batch.copyPart(pieces, startBytes, extentBytes);
      else batch.sendPart(pieces, startBytes, extentBytes);
      sentBytes += extentBytes;
    }
    startBytes += extentBytes;
  }
  if (!copied) batch.held.push(record);
  return sentBytes;
}
