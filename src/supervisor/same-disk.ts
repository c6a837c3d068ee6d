// Whether the disk that was opened again is the one that was served. Pure.
// The rule: a larger disk serves its old size; anything else that differs is another disk, and
// nothing is replayed into it.
import { SECTOR_BYTES } from '../base/limits.js';
import type { InfoResult } from '../helper/protocol.js';

/** Another disk has taken the place of the one that was served. */
export class AnotherDisk extends Error {
  constructor(how: string) {
    super(`this is another disk now: ${how}`);
    this.name = 'AnotherDisk';
  }
}

/** What is known of a disk: what the library says, and which file its path names, in words. */
export interface DiskIdentity {
  info: InfoResult;
  file: string;
}

/**
 * Throws AnotherDisk. Not every VMDK has a uuid, and a copy has that of its original: therefore
 * the file, too.
 */
export function checkSameDisk(first: DiskIdentity, now: DiskIdentity): void {
  const describe = ({ capacitySectors, uuid }: InfoResult): string =>
    `${capacitySectors * SECTOR_BYTES} bytes (uuid ${uuid ?? 'none'})`;
  if (now.info.capacitySectors < first.info.capacitySectors || now.info.uuid !== first.info.uuid) {
    throw new AnotherDisk(`it has ${describe(now.info)}, it had ${describe(first.info)}`);
  }
  if (now.file !== first.file) throw new AnotherDisk('another file has taken its name');
}
