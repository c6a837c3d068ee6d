/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From errno to VixError, and from VixError to text.  The texts are what a
 * user sees first, so they say what happened and not how it is called here.
 */
#include "errors.h"

#include <errno.h>

static const struct {
  VixError err;
  const char *text;
} texts[] = {
  { VIX_OK, "The operation was successful" },
  { VIX_E_FAIL, "Unknown error" },
  { VIX_E_OUT_OF_MEMORY, "Memory allocation failed" },
  { VIX_E_INVALID_ARG, "One of the parameters was invalid" },
  { VIX_E_FILE_NOT_FOUND, "The file was not found" },
  { VIX_E_OBJECT_IS_BUSY, "The object is in use" },
  { VIX_E_NOT_SUPPORTED, "The operation is not supported" },
  { VIX_E_FILE_ERROR, "Reading or writing a file failed" },
  { VIX_E_DISK_FULL, "The file system is full" },
  { VIX_E_INCORRECT_FILE_TYPE, "The file is not a virtual disk" },
  { VIX_E_CANCELLED, "The operation was cancelled" },
  { VIX_E_FILE_READ_ONLY, "The disk was opened read-only" },
  { VIX_E_FILE_ALREADY_EXISTS, "The file exists already" },
  { VIX_E_FILE_ACCESS_ERROR, "Access to the file was denied" },
  { VIX_E_FILE_ALREADY_LOCKED, "The file is locked by another process" },
  { VIX_E_FILE_TOO_BIG, "The file would be too large for its format" },
  { VIX_E_FILE_NAME_INVALID, "The file name is invalid" },
  { VIX_E_INVALID_HANDLE, "The handle is not valid" },
  { VIX_E_DISK_INVAL, "A parameter of a disk operation was invalid" },
  { VIX_E_DISK_NOINIT, "The disk library has not been initialized" },
  { VIX_E_DISK_NOIO, "The disk could not be read or written" },
  { VIX_E_DISK_PARTIALCHAIN, "The disk is only a part of a chain" },
  { VIX_E_DISK_NEEDSREPAIR, "The disk is damaged and needs repair" },
  { VIX_E_DISK_OUTOFRANGE, "The request is outside the disk" },
  { VIX_E_DISK_PARTMISMATCH, "An extent does not fit the descriptor" },
  { VIX_E_DISK_UNSUPPORTEDDISKVERSION,
    "The version of the disk's format is not supported" },
  { VIX_E_DISK_OPENPARENT, "The parent of the disk could not be opened" },
  { VIX_E_DISK_NOTSUPPORTED, "This kind of disk is not supported" },
  { VIX_E_DISK_TOOMANYOPENFILES, "Too many files are open" },
  { VIX_E_DISK_INVALIDCHAIN, "The links of the disk do not fit together" },
  { VIX_E_DISK_INVALID_CONNECTION, "The connection is not valid" },
  { VIX_E_DISK_INVALIDDISK, "The disk is damaged or truncated" },
  { VIX_ASYNC, "The request was accepted" },
};

VixError
error_from_errno (int errnum)
{
  switch (errnum) {
  case ENOENT:
  case ENOTDIR:
    return VIX_E_FILE_NOT_FOUND;
  case EACCES:
  case EPERM:
  case EROFS:
  case ETXTBSY:
    return VIX_E_FILE_ACCESS_ERROR;
  case ENOSPC:
  case EDQUOT:
    return VIX_E_DISK_FULL;
  case EFBIG:
    return VIX_E_FILE_TOO_BIG;
  case EMFILE:
  case ENFILE:
    return VIX_E_DISK_TOOMANYOPENFILES;
  case ENOMEM:
    return VIX_E_OUT_OF_MEMORY;
  case ENAMETOOLONG:
  case ELOOP:
    return VIX_E_FILE_NAME_INVALID;
  default:
    return VIX_E_FILE_ERROR;
  }
}

const char *
error_text (VixError err)
{
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    if (texts[i].err == VIX_ERROR_CODE (err))
      return texts[i].text;
  return "An error that has no description";
}
