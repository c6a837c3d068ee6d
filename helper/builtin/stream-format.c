/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tail of a streamOptimized file: directory, footer, end.
 */
#include "stream-format.h"

#include <stdlib.h>

#include "bytes.h"

void
stream_put_marker (uint8_t *raw, uint64_t nr_sectors, enum marker_type type)
{
  memset (raw, 0, VIXDISKLIB_SECTOR_SIZE);
  put64 (raw, nr_sectors);
  put32 (raw + 12, type);
}

VixError
stream_put_footer (struct file *file, const struct sparse_header *h,
                   uint64_t gd_sector)
{
  uint8_t raw[3 * VIXDISKLIB_SECTOR_SIZE];
  struct sparse_header footer = *h;
  uint64_t end = file->size;
  VixError err;

  footer.gd_sector = gd_sector;
  stream_put_marker (raw, 1, MARKER_FOOTER);
  sparse_header_encode (&footer, raw + VIXDISKLIB_SECTOR_SIZE);
  stream_put_marker (raw + 2 * VIXDISKLIB_SECTOR_SIZE, 0, MARKER_END);
  err = file_resize (file, end + sizeof raw);
  if (err == VIX_OK)
    err = file_write (file, raw, sizeof raw, end);
  return err;
}

VixError
stream_put_empty_end (struct file *file, const struct sparse_header *h)
{
  const uint64_t per_table = h->grain_sectors * GTES_PER_TABLE;
  uint64_t bytes = (h->capacity + per_table - 1) / per_table * 4;
  uint64_t sectors
      = (bytes + VIXDISKLIB_SECTOR_SIZE - 1) / VIXDISKLIB_SECTOR_SIZE;
  uint64_t start = file->size / VIXDISKLIB_SECTOR_SIZE;
  uint8_t raw[VIXDISKLIB_SECTOR_SIZE];
  VixError err;

  stream_put_marker (raw, sectors, MARKER_DIRECTORY);
  err = file_resize (file, (start + 1 + sectors) * VIXDISKLIB_SECTOR_SIZE);
  if (err == VIX_OK)
    err = file_write (file, raw, sizeof raw, start * VIXDISKLIB_SECTOR_SIZE);
  if (err == VIX_OK)
    err = stream_put_footer (file, h, start + 1);
  return err;
}
