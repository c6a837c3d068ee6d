// From the reasons a Disk gives to the numbers NBD defines (proto.md, "Error values").
// Nothing else turns an error into a number on the wire.
import type { DiskErrorCode } from '../disk/disk.js';
import {
  NBD_EINVAL,
  NBD_EIO,
  NBD_ENOMEM,
  NBD_ENOSPC,
  NBD_ENOTSUP,
  NBD_EOVERFLOW,
  NBD_EPERM,
  NBD_ESHUTDOWN,
  NBD_SUCCESS,
} from './constants.js';

const ERROR_VALUES: Record<DiskErrorCode, number> = {
  EPERM: NBD_EPERM,
  EIO: NBD_EIO,
  ENOMEM: NBD_ENOMEM,
  EINVAL: NBD_EINVAL,
  ENOSPC: NBD_ENOSPC,
  EOVERFLOW: NBD_EOVERFLOW,
  ENOTSUP: NBD_ENOTSUP,
  ESHUTDOWN: NBD_ESHUTDOWN,
};

/** The NBD error value for a disk's result; undefined is success. */
export function errorValue(code: DiskErrorCode | undefined): number {
  return code === undefined ? NBD_SUCCESS : ERROR_VALUES[code];
}
