// Every check on a request before work starts; what passes here needs no further look.
// DISC and the magic number are not judged here: both end the connection, whatever else they say.
import {
  NBD_CMD_FLAG_FUA,
  NBD_CMD_FLAG_NO_HOLE,
  NBD_CMD_FLUSH,
  NBD_CMD_READ,
  NBD_CMD_TRIM,
  NBD_CMD_WRITE,
  NBD_CMD_WRITE_ZEROES,
  NBD_EINVAL,
  NBD_ENOSPC,
  NBD_EPERM,
  NBD_FLAG_READ_ONLY,
  NBD_FLAG_SEND_FLUSH,
  NBD_FLAG_SEND_FUA,
  NBD_FLAG_SEND_WRITE_ZEROES,
  NBD_SUCCESS,
} from './constants.js';
import type { NbdExport } from './export.js';
import type { RequestHeader } from './request.js';

/** Flags that go with a command besides FUA, which goes with all (proto.md, "Command flags"). */
function commandFlags(type: number): number {
  return type === NBD_CMD_WRITE_ZEROES ? NBD_CMD_FLAG_NO_HOLE : 0;
}

function flagsFit(request: RequestHeader, target: NbdExport): boolean {
  let allowed = commandFlags(request.type);
  if ((target.transmissionFlags & NBD_FLAG_SEND_FUA) !== 0) allowed |= NBD_CMD_FLAG_FUA;
  return (request.commandFlags & ~allowed) === 0;
}

/** A range of at least a byte within the export, else `beyond`; a length of 0 is NBD_EINVAL. */
function validateRange(request: RequestHeader, target: NbdExport, beyond: number): number {
  if (request.lengthBytes === 0) return NBD_EINVAL;
  if (request.offsetBytes > target.sizeBytes - request.lengthBytes) return beyond;
  return NBD_SUCCESS;
}

/** As validateRange(), and no longer than the payload we announced. */
function validatePayload(request: RequestHeader, target: NbdExport, beyond: number): number {
  const error = validateRange(request, target, beyond);
  if (error !== NBD_SUCCESS) return error;
  return request.lengthBytes > target.payloadBytesMax ? NBD_EINVAL : NBD_SUCCESS;
}

/**
 * NBD_SUCCESS, or the error value to answer (proto.md, "Error values", "Size constraints",
 * "Request types"). What writes to a read-only export is NBD_EPERM before anything else.
 */
export function validateRequest(request: RequestHeader, target: NbdExport): number {
  const has = target.transmissionFlags;
  const writes =
    request.type === NBD_CMD_WRITE ||
    request.type === NBD_CMD_WRITE_ZEROES ||
    request.type === NBD_CMD_TRIM;
  if (writes && (has & NBD_FLAG_READ_ONLY) !== 0) return NBD_EPERM;
  if (!flagsFit(request, target)) return NBD_EINVAL;
  switch (request.type) {
    case NBD_CMD_READ:
      return validatePayload(request, target, NBD_EINVAL);
    case NBD_CMD_WRITE:
      return validatePayload(request, target, NBD_ENOSPC);
    case NBD_CMD_WRITE_ZEROES:
      if ((has & NBD_FLAG_SEND_WRITE_ZEROES) === 0) return NBD_EINVAL;
      return validateRange(request, target, NBD_ENOSPC);
    case NBD_CMD_FLUSH:
      if ((has & NBD_FLAG_SEND_FLUSH) === 0) return NBD_EINVAL;
      return request.offsetBytes === 0 && request.lengthBytes === 0 ? NBD_SUCCESS : NBD_EINVAL;
    default:
      return NBD_EINVAL;
  }
}
