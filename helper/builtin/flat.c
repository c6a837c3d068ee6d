/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A flat extent: the sectors of the disk are the sectors of the file.  Reads
 * and writes go straight between the file and the caller's buffer.
 */
#include "extent.h"

#include <inttypes.h>
#include <stdlib.h>

#include "log.h"

struct flat {
  struct extent extent;
  uint64_t offset; /* bytes */
};

static uint64_t
file_offset (const struct extent *extent, uint64_t sector)
{
  const struct flat *flat = (const struct flat *)extent;

  return flat->offset + sector * VIXDISKLIB_SECTOR_SIZE;
}

static VixError
flat_read (struct extent *extent, uint64_t sector, const struct span *span,
           uint8_t *buf)
{
  return file_read (extent->file, buf,
                    span->nr_sectors * VIXDISKLIB_SECTOR_SIZE,
                    file_offset (extent, sector));
}

static VixError
flat_write (struct extent *extent, uint64_t sector, uint64_t nr_sectors,
            const uint8_t *buf)
{
  return file_write (extent->file, buf, nr_sectors * VIXDISKLIB_SECTOR_SIZE,
                     file_offset (extent, sector));
}

/* Holes of the file read as zeroes.  A sector that is partly data is data. */
static VixError
flat_map (struct extent *extent, uint64_t sector, uint64_t max_sectors,
          struct span *span)
{
  uint64_t from = file_offset (extent, sector);
  uint64_t end = from + max_sectors * VIXDISKLIB_SECTOR_SIZE;
  uint64_t until, n;
  bool data;
  VixError err;

  err = file_next_data (extent->file, from, end, &data, &until);
  if (err != VIX_OK)
    return err;
  n = (until - from) / VIXDISKLIB_SECTOR_SIZE;
  if (n < max_sectors && (data || n == 0)) {
    data = true;
    n += (until - from) % VIXDISKLIB_SECTOR_SIZE != 0;
    if (n == 0) /* a hole was punched while we looked */
      n = 1;
  }
  *span
      = (struct span){ .kind = data ? SPAN_DATA : SPAN_ZERO, .nr_sectors = n };
  return VIX_OK;
}

static void
flat_close (struct extent *extent)
{
  free (extent);
}

static const struct extent_ops flat_ops = {
  .span = extent_all_data,
  .map = flat_map,
  .read = flat_read,
  .write = flat_write,
  .close = flat_close,
};

VixError
flat_open (struct file *file, uint64_t offset_sector, uint64_t nr_sectors,
           struct extent **out)
{
  /* Both are at most MAX_DISK_SECTORS. */
  uint64_t end = (offset_sector + nr_sectors) * VIXDISKLIB_SECTOR_SIZE;
  struct flat *flat;

  if (end > file->size)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the extent is truncated: it has %" PRIu64
                     " bytes, the descriptor says %" PRIu64,
                     file->path, file->size, end);
  flat = calloc (1, sizeof *flat);
  if (!flat)
    return VIX_E_OUT_OF_MEMORY;
  flat->extent.ops = &flat_ops;
  flat->extent.file = file;
  flat->extent.nr_sectors = nr_sectors;
  flat->offset = offset_sector * VIXDISKLIB_SECTOR_SIZE;
  *out = &flat->extent;
  return VIX_OK;
}
