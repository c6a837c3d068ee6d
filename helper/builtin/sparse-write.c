/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing to a hosted sparse extent.  The order is what makes it safe to be
 * killed anywhere: the data of whole new grains behind the end of the file,
 * then the redundant table, then the primary table.  An entry never exists
 * before the data it points to.
 */
#include "sparse.h"

#include <inttypes.h>
#include <string.h>

#include "log.h"

static bool
is_zero (const uint8_t *buf, uint64_t nr_sectors)
{
  size_t n = nr_sectors * VIXDISKLIB_SECTOR_SIZE;

  /* Equal to itself shifted by one byte: all bytes are as the first. */
  return buf[0] == 0 && memcmp (buf, buf + 1, n - 1) == 0;
}

/* Splits off the grains at sector that are all zeroes in buf, or that all are
 * not; returns how many sectors that is.
 */
static uint64_t
split (const struct sparse *s, uint64_t sector, uint64_t nr_sectors,
       const uint8_t *buf, bool *zero)
{
  uint64_t done = 0;

  while (done < nr_sectors) {
    uint64_t n
        = s->header.grain_sectors - (sector + done) % s->header.grain_sectors;
    bool z;

    if (n > nr_sectors - done)
      n = nr_sectors - done;
    z = is_zero (buf + done * VIXDISKLIB_SECTOR_SIZE, n);
    if (done == 0)
      *zero = z;
    else if (z != *zero)
      break;
    done += n;
  }
  return done;
}

/* Writes the range into new grains, which follow each other.  What the range
 * leaves of the first and last grain is zero: it lies behind the old end of
 * the file, where nothing was ever written.
 */
static VixError
write_new_grains (struct sparse *s, uint64_t sector, uint64_t nr_sectors,
                  const uint8_t *buf)
{
  const uint64_t grain_sectors = s->header.grain_sectors;
  const uint64_t first = sector / grain_sectors;
  const uint64_t skip = sector % grain_sectors;
  const uint64_t count
      = (skip + nr_sectors + grain_sectors - 1) / grain_sectors;
  struct file *file = s->extent.file;
  uint32_t gd_index = (uint32_t)(first / GTES_PER_TABLE);
  uint64_t old_size, place, end;
  VixError err;

  err = tables_ensure (s, gd_index);
  if (err != VIX_OK)
    return err;
  old_size = file->size;
  place = sparse_end (s);
  end = place + count * grain_sectors;
  if (end - grain_sectors > UINT32_MAX)
    return log_fail (VIX_E_FILE_TOO_BIG,
                     "%s: the sparse extent is at its 2 TiB limit", file->path);
  err = file_write (file, buf, nr_sectors * VIXDISKLIB_SECTOR_SIZE,
                    (place + skip) * VIXDISKLIB_SECTOR_SIZE);
  if (err == VIX_OK && file->size < end * VIXDISKLIB_SECTOR_SIZE)
    err = file_resize (file, end * VIXDISKLIB_SECTOR_SIZE);
  if (err != VIX_OK) {
    sparse_give_back (s, old_size);
    return err;
  }
  return tables_set (s, gd_index, (uint32_t)(first % GTES_PER_TABLE),
                     (uint32_t)count, place);
}

/* Writes a range of grains that are not allocated yet, of one table.  Zeroes
 * need no grain.
 */
static VixError
write_unallocated (struct sparse *s, uint64_t sector, uint64_t nr_sectors,
                   const uint8_t *buf)
{
  VixError err = VIX_OK;
  bool zero = false;
  uint64_t n;

  while (err == VIX_OK && nr_sectors > 0) {
    n = split (s, sector, nr_sectors, buf, &zero);
    if (!zero)
      err = write_new_grains (s, sector, n, buf);
    sector += n;
    nr_sectors -= n;
    buf += n * VIXDISKLIB_SECTOR_SIZE;
  }
  return err;
}

VixError
sparse_write (struct extent *extent, uint64_t sector, uint64_t nr_sectors,
              const uint8_t *buf)
{
  struct sparse *s = (struct sparse *)extent;
  struct span span;
  VixError err = VIX_OK;

  while (err == VIX_OK && nr_sectors > 0) {
    err = sparse_span (s, sector, nr_sectors, &span);
    if (err != VIX_OK)
      return err;
    if (span.allocated)
      err = file_write (extent->file, buf,
                        span.nr_sectors * VIXDISKLIB_SECTOR_SIZE,
                        span.file_sector * VIXDISKLIB_SECTOR_SIZE);
    else
      err = write_unallocated (s, sector, span.nr_sectors, buf);
    sector += span.nr_sectors;
    nr_sectors -= span.nr_sectors;
    buf += span.nr_sectors * VIXDISKLIB_SECTOR_SIZE;
  }
  return err;
}
