// Every check on a request before work starts; what passes here needs no further look.
// DISC and the magic number are not judged here: both end the connection, whatever else they say.
// The rule: a request that passes allocates nothing, and a refusal is one of these constants.
import type { Agreement } from './agreement.js';
import {
  NBD_CMD_BLOCK_STATUS,
  NBD_CMD_CACHE,
  NBD_CMD_FLAG_DF,
  NBD_CMD_FLAG_FAST_ZERO,
  NBD_CMD_FLAG_FUA,
  NBD_CMD_FLAG_NO_HOLE,
  NBD_CMD_FLAG_PAYLOAD_LEN,
  NBD_CMD_FLAG_REQ_ONE,
  NBD_CMD_FLUSH,
  NBD_CMD_READ,
  NBD_CMD_TRIM,
  NBD_CMD_WRITE,
  NBD_CMD_WRITE_ZEROES,
  NBD_EINVAL,
  NBD_ENOSPC,
  NBD_ENOTSUP,
  NBD_EPERM,
  NBD_ESHUTDOWN,
  NBD_FLAG_READ_ONLY,
  NBD_FLAG_SEND_CACHE,
  NBD_FLAG_SEND_DF,
  NBD_FLAG_SEND_FAST_ZERO,
  NBD_FLAG_SEND_FLUSH,
  NBD_FLAG_SEND_FUA,
  NBD_FLAG_SEND_WRITE_ZEROES,
} from './constants.js';
import type { NbdExport } from './export.js';
import type { RequestHeader } from './request.js';

/** Why a request is not served: the error value to answer, and a sentence for people. */
export interface Refusal {
  readonly error: number;
  readonly text: string;
}

const READ_ONLY: Refusal = { error: NBD_EPERM, text: 'the export is read-only' };
const BAD_FLAGS: Refusal = { error: NBD_EINVAL, text: 'flags that do not go with the command' };
const UNKNOWN: Refusal = { error: NBD_EINVAL, text: 'a command that was not announced' };
const EMPTY: Refusal = { error: NBD_EINVAL, text: 'a length of 0' };
const TOO_LONG: Refusal = { error: NBD_EINVAL, text: 'longer than the maximum payload size' };
const BEYOND: Refusal = { error: NBD_EINVAL, text: 'beyond the end of the export' };
const BEYOND_WRITE: Refusal = { error: NBD_ENOSPC, text: 'beyond the end of the export' };
const HAS_PAYLOAD: Refusal = {
  error: NBD_EINVAL,
  text: 'a payload that the command does not take',
};
const FLUSH_RANGE: Refusal = { error: NBD_EINVAL, text: 'NBD_CMD_FLUSH takes no range' };
const NO_CONTEXT: Refusal = { error: NBD_EINVAL, text: 'no metadata context was selected' };
const NOT_FAST: Refusal = { error: NBD_ENOTSUP, text: 'zeroes are not faster than data here' };

/** For requests that come while the server stops. */
export const SHUTTING_DOWN: Refusal = {
  error: NBD_ESHUTDOWN,
  text: 'the server is shutting down',
};

type Agreed = Agreement<NbdExport>;

/** Flags that go with a command besides FUA, which goes with all (proto.md, "Command flags"). */
function commandFlags(type: number, { transmissionFlags: has, style }: Agreed): number {
  switch (type) {
    case NBD_CMD_READ:
      return (has & NBD_FLAG_SEND_DF) !== 0 ? NBD_CMD_FLAG_DF : 0;
    case NBD_CMD_WRITE:
      return style === 'extended' ? NBD_CMD_FLAG_PAYLOAD_LEN : 0;
    case NBD_CMD_WRITE_ZEROES:
      return (has & NBD_FLAG_SEND_FAST_ZERO) !== 0
        ? NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO
        : NBD_CMD_FLAG_NO_HOLE;
    case NBD_CMD_BLOCK_STATUS:
      return NBD_CMD_FLAG_REQ_ONE;
    default:
      return 0;
  }
}

function flagsFit(request: RequestHeader, agreed: Agreed): boolean {
  let allowed = commandFlags(request.type, agreed);
  if ((agreed.transmissionFlags & NBD_FLAG_SEND_FUA) !== 0) allowed |= NBD_CMD_FLAG_FUA;
  return (request.commandFlags & ~allowed) === 0;
}

/** A range of at least a byte within the export, else `beyond`. */
function validateRange(
  { offsetBytes, lengthBytes }: RequestHeader,
  { target }: Agreed,
  beyond: Refusal,
): Refusal | undefined {
  if (lengthBytes === 0) return EMPTY;
  return offsetBytes > target.sizeBytes - lengthBytes ? beyond : undefined;
}

/** As validateRange(), and no longer than the payload we announced. */
function validatePayload(
  request: RequestHeader,
  agreed: Agreed,
  beyond: Refusal,
): Refusal | undefined {
  const refusal = validateRange(request, agreed, beyond);
  if (refusal !== undefined) return refusal;
  return request.lengthBytes > agreed.target.payloadBytesMax ? TOO_LONG : undefined;
}

function validateZeroes(request: RequestHeader, agreed: Agreed): Refusal | undefined {
  if ((agreed.transmissionFlags & NBD_FLAG_SEND_WRITE_ZEROES) === 0) return UNKNOWN;
  const refusal = validateRange(request, agreed, BEYOND_WRITE);
  if (refusal !== undefined) return refusal;
  return (request.commandFlags & NBD_CMD_FLAG_FAST_ZERO) !== 0 ? NOT_FAST : undefined;
}

function validateFlush(request: RequestHeader, agreed: Agreed): Refusal | undefined {
  if ((agreed.transmissionFlags & NBD_FLAG_SEND_FLUSH) === 0) return UNKNOWN;
  return request.offsetBytes === 0 && request.lengthBytes === 0 ? undefined : FLUSH_RANGE;
}

/**
 * Undefined, or why the request is refused (proto.md, "Error values", "Size constraints", "Request
 * types"). What writes to a read-only export is NBD_EPERM before anything else.
 */
export function validateRequest(request: RequestHeader, agreed: Agreed): Refusal | undefined {
  const { type } = request;
  const writes = type === NBD_CMD_WRITE || type === NBD_CMD_WRITE_ZEROES || type === NBD_CMD_TRIM;
  if (writes && (agreed.transmissionFlags & NBD_FLAG_READ_ONLY) !== 0) return READ_ONLY;
  if (type !== NBD_CMD_WRITE && request.payloadBytes > 0) return HAS_PAYLOAD;
  if (!flagsFit(request, agreed)) return BAD_FLAGS;
  switch (type) {
    case NBD_CMD_READ:
      return validatePayload(request, agreed, BEYOND);
    case NBD_CMD_WRITE:
      return validatePayload(request, agreed, BEYOND_WRITE);
    case NBD_CMD_WRITE_ZEROES:
      return validateZeroes(request, agreed);
    case NBD_CMD_FLUSH:
      return validateFlush(request, agreed);
    case NBD_CMD_CACHE:
      if ((agreed.transmissionFlags & NBD_FLAG_SEND_CACHE) === 0) return UNKNOWN;
      return validateRange(request, agreed, BEYOND);
    case NBD_CMD_BLOCK_STATUS:
      return agreed.allocation ? validateRange(request, agreed, BEYOND) : NO_CONTEXT;
    default:
      return UNKNOWN;
  }
}
