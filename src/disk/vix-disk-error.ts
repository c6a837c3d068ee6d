// What a failed library call means to an NBD client. The whole VixError is in the log.
import type { DiskErrorCode } from './disk.js';

/** VIX_E_* numbers that mean more to a client than "input/output error". */
const DISK_ERRORS: ReadonlyMap<number, DiskErrorCode> = new Map([
  [6, 'ENOTSUP'], // VIX_E_NOT_SUPPORTED
  [8, 'ENOSPC'], // VIX_E_DISK_FULL
  [11, 'EPERM'], // VIX_E_FILE_READ_ONLY
]);

/** The error for a client. The code of a VixError is in its low 16 bits; the rest is other data. */
export function diskErrorOf(vixError: number | bigint): DiskErrorCode {
  const code = typeof vixError === 'bigint' ? Number(vixError & 0xffffn) : vixError % 0x10000;
  return DISK_ERRORS.get(code) ?? 'EIO';
}
