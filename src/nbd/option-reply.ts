// The bytes of answers to options (proto.md, "Fixed newstyle negotiation", "Option reply types").
// Pure builders: each returns one whole message.
import {
  EXPORT_NAME_ZEROES_BYTES,
  NBD_FLAG_FIXED_NEWSTYLE,
  NBD_FLAG_NO_ZEROES,
  NBD_GREETING_ASCII,
  NBD_INFO_BLOCK_SIZE,
  NBD_INFO_DESCRIPTION,
  NBD_INFO_EXPORT,
  NBD_INFO_NAME,
  NBD_REP_INFO,
  NBD_REP_MAGIC_HIGH,
  NBD_REP_MAGIC_LOW,
  NBD_REP_META_CONTEXT,
  NBD_REP_SERVER,
  OPTION_REPLY_HEADER_BYTES,
} from './constants.js';
import type { Agreement } from './agreement.js';
import type { ListedExport, NbdExport } from './export.js';
import { ALLOCATION_CONTEXT } from './meta-context.js';

/** What the server sends first ("Newstyle negotiation"). */
export function greeting(): Buffer {
  const flags = Buffer.alloc(2);
  flags.writeUInt16BE(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
  return Buffer.concat([Buffer.from(NBD_GREETING_ASCII, 'ascii'), flags]);
}

/** A reply of `type` to `option` with `data` (none by default). */
export function optionReply(option: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const reply = Buffer.alloc(OPTION_REPLY_HEADER_BYTES);
  reply.writeUInt32BE(NBD_REP_MAGIC_HIGH, 0);
  reply.writeUInt32BE(NBD_REP_MAGIC_LOW, 4);
  reply.writeUInt32BE(option, 8);
  reply.writeUInt32BE(type, 12);
  reply.writeUInt32BE(data.length, 16);
  return Buffer.concat([reply, data]);
}

/** NBD_REP_SERVER: one entry of a list. */
export function serverReply(option: number, target: ListedExport): Buffer {
  const name = Buffer.from(target.name);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  const data = Buffer.concat([length, name, Buffer.from(target.description)]);
  return optionReply(option, NBD_REP_SERVER, data);
}

/** Size and transmission flags: all that NBD_OPT_EXPORT_NAME gives, the core of NBD_INFO_EXPORT. */
function sizeAndFlags({ target, transmissionFlags }: Agreement<NbdExport>): Buffer {
  const bytes = Buffer.alloc(10);
  bytes.writeBigUInt64BE(BigInt(target.sizeBytes), 0);
  bytes.writeUInt16BE(transmissionFlags, 8);
  return bytes;
}

/** The whole answer to NBD_OPT_EXPORT_NAME, which has no reply header. */
export function exportNameReply(agreement: Agreement<NbdExport>, noZeroes: boolean): Buffer {
  const zeroes = Buffer.alloc(noZeroes ? 0 : EXPORT_NAME_ZEROES_BYTES);
  return Buffer.concat([sizeAndFlags(agreement), zeroes]);
}

function blockSizes(target: NbdExport): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(target.minimumBlockBytes, 0);
  bytes.writeUInt32BE(target.preferredBlockBytes, 4);
  bytes.writeUInt32BE(target.payloadBytesMax, 8);
  return bytes;
}

/** The payload of one information type, or undefined if we don't know it. */
function infoPayload(agreement: Agreement<NbdExport>, type: number): Buffer | undefined {
  const { target } = agreement;
  switch (type) {
    case NBD_INFO_EXPORT:
      return sizeAndFlags(agreement);
    case NBD_INFO_NAME:
      return Buffer.from(target.name);
    case NBD_INFO_DESCRIPTION:
      return Buffer.from(target.description);
    case NBD_INFO_BLOCK_SIZE:
      return blockSizes(target);
    default:
      return undefined;
  }
}

/**
 * NBD_REP_INFO for NBD_INFO_EXPORT and NBD_INFO_BLOCK_SIZE, asked for or not (our largest payload
 * may differ from the default), and for each further type in `asked` that we know, once.
 */
export function infoReplies(
  option: number,
  agreement: Agreement<NbdExport>,
  asked: number[],
): Buffer[] {
  const types = new Set([NBD_INFO_EXPORT, NBD_INFO_BLOCK_SIZE, ...asked]);
  const replies: Buffer[] = [];
  for (const type of types) {
    const payload = infoPayload(agreement, type);
    if (payload === undefined) continue;
    const designator = Buffer.alloc(2);
    designator.writeUInt16BE(type);
    replies.push(optionReply(option, NBD_REP_INFO, Buffer.concat([designator, payload])));
  }
  return replies;
}

/** NBD_REP_META_CONTEXT for base:allocation; the id is 0 in a list. */
export function metaContextReply(option: number, contextId: number): Buffer {
  const id = Buffer.alloc(4);
  id.writeUInt32BE(contextId);
  return optionReply(
    option,
    NBD_REP_META_CONTEXT,
    Buffer.concat([id, Buffer.from(ALLOCATION_CONTEXT)]),
  );
}
