// What the server offers: names on disks. Connections look an export up once, at their handshake.
import type { Disk } from '../disk/disk.js';
import {
  NBD_FLAG_CAN_MULTI_CONN,
  NBD_FLAG_HAS_FLAGS,
  NBD_FLAG_READ_ONLY,
  NBD_FLAG_SEND_CACHE,
  NBD_FLAG_SEND_FAST_ZERO,
  NBD_FLAG_SEND_FLUSH,
  NBD_FLAG_SEND_FUA,
  NBD_FLAG_SEND_WRITE_ZEROES,
} from '../nbd/constants.js';
import type { NbdExport, NbdExports } from '../nbd/export.js';

/** An export and the disk behind it. */
export interface ServedExport extends NbdExport {
  readonly disk: Disk;
}

export type Exports = NbdExports<ServedExport>;

/**
 * The transmission flags for `disk`. All connections share one disk and see each other's completed
 * writes, therefore CAN_MULTI_CONN. What can't be written has nothing to flush.
 */
export function transmissionFlags(disk: Disk): number {
  const shared = NBD_FLAG_HAS_FLAGS | NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_CACHE;
  if (disk.readOnly) return shared | NBD_FLAG_READ_ONLY;
  const flush = disk.canFlush ? NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA : 0;
  return shared | NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_FAST_ZERO | flush;
}

/** `disk` as an export. Any byte range works, so the smallest block is a byte. */
export function serveDisk(disk: Disk, name: string, description: string): ServedExport {
  return {
    disk,
    name,
    description,
    sizeBytes: disk.sizeBytes,
    transmissionFlags: transmissionFlags(disk),
    minimumBlockBytes: 1,
    preferredBlockBytes: disk.preferredBlockBytes,
    payloadBytesMax: disk.requestBytesMax,
  };
}

/** One disk under every name a client may ask for; a list shows it as the default export. */
export function singleExport(disk: Disk, description = ''): Exports {
  const only = serveDisk(disk, '', description);
  return { list: () => [only], lookup: () => only };
}
