// From names of errors to the numbers NBD defines (proto.md, "Error values"). A disk's error codes
// are among these names, which the compiler checks where the server calls errorValue().
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

const ERROR_VALUES = {
  EPERM: NBD_EPERM,
  EIO: NBD_EIO,
  ENOMEM: NBD_ENOMEM,
  EINVAL: NBD_EINVAL,
  ENOSPC: NBD_ENOSPC,
  EOVERFLOW: NBD_EOVERFLOW,
  ENOTSUP: NBD_ENOTSUP,
  ESHUTDOWN: NBD_ESHUTDOWN,
} as const;

/** The errors that NBD can tell. */
export type ErrorName = keyof typeof ERROR_VALUES;

/** The error value for `name`; undefined is success. */
export function errorValue(name: ErrorName | undefined): number {
  return name === undefined ? NBD_SUCCESS : ERROR_VALUES[name];
}
