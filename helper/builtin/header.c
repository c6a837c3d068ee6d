/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The part of header reading that is the same for every sparse format.
 */
#include "header.h"

#include <inttypes.h>

#include "log.h"

VixError
header_damaged (const struct file *file, const struct header_kind *kind,
                const char *what)
{
  return log_fail (VIX_E_DISK_INVALIDDISK,
                   "%s: the header of the %s file is damaged: %s", file->path,
                   kind->name, what);
}

VixError
header_truncated (const struct file *file, const char *what)
{
  return log_fail (VIX_E_DISK_INVALIDDISK,
                   "%s: the file is truncated: it has %" PRIu64
                   " bytes, and %s",
                   file->path, file->size, what);
}

VixError
header_read (struct file *file, const struct header_kind *kind, uint8_t *raw)
{
  VixError err;

  if (file->size < kind->bytes)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the file is truncated: it has %" PRIu64
                     " bytes, and a %s header has %zu",
                     file->path, file->size, kind->name, kind->bytes);
  err = file_read (file, raw, kind->bytes, 0);
  if (err != VIX_OK)
    return err;
  if (!kind->detect (raw, kind->bytes))
    return log_fail (VIX_E_INCORRECT_FILE_TYPE,
                     "%s: this is not a %s extent of a VMDK", file->path,
                     kind->name);
  return VIX_OK;
}

bool
header_grain_is_sane (uint64_t sectors, uint64_t min_sectors)
{
  return sectors >= min_sectors && sectors <= MAX_GRAIN_SECTORS
         && (sectors & (sectors - 1)) == 0;
}
