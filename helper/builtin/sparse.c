/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A hosted sparse extent: opening, lookup, reading, allocated runs.  Adjacent
 * grains of one request become one read.  (Writing is in sparse-write.c.)
 */
#include "sparse.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

uint64_t
sparse_end (const struct sparse *s)
{
  uint64_t grain_bytes = s->header.grain_sectors * VIXDISKLIB_SECTOR_SIZE;
  uint64_t grains = s->extent.file->size / grain_bytes
                    + (s->extent.file->size % grain_bytes != 0);

  return grains * s->header.grain_sectors;
}

void
sparse_give_back (struct sparse *s, uint64_t size)
{
  /* If that fails too (it has warned), new grains go behind the left-over. */
  if (s->extent.file->size != size)
    file_resize (s->extent.file, size);
}

VixError
sparse_grain_sector (const struct sparse *s, uint64_t grain, uint32_t gte,
                     uint64_t *sector)
{
  const struct file *file = s->extent.file;
  uint64_t length = s->stream ? 1 : sparse_grain_length (s, grain);

  *sector = 0;
  if (gte == 0
      || (gte == GTE_ZEROED && (s->header.flags & SPARSE_ZEROED_GRAINS)))
    return VIX_OK;
  if (gte < s->min_grain_sector)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the image is damaged: the table entry of grain "
                     "%" PRIu64 " points into metadata",
                     file->path, grain);
  if ((gte + length) * VIXDISKLIB_SECTOR_SIZE > file->size)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the file is truncated: grain %" PRIu64
                     " lies behind its %" PRIu64 " bytes",
                     file->path, grain, file->size);
  *sector = gte;
  return VIX_OK;
}

VixError
sparse_span (struct sparse *s, uint64_t sector, uint64_t max_sectors,
             struct span *span)
{
  const uint64_t grain_sectors = s->header.grain_sectors;
  const uint64_t first = sector / grain_sectors;
  const uint64_t skip = sector % grain_sectors;
  uint32_t index = (uint32_t)(first % GTES_PER_TABLE);
  const uint32_t *gtes;
  uint64_t place, next, n;
  VixError err;

  err = tables_get (s, (uint32_t)(first / GTES_PER_TABLE), &gtes);
  if (err != VIX_OK)
    return err;
  *span = (struct span){ .allocated = false };
  if (!gtes) {
    n = (GTES_PER_TABLE - index) * grain_sectors - skip;
    span->nr_sectors = n < max_sectors ? n : max_sectors;
    return VIX_OK;
  }
  err = sparse_grain_sector (s, first, gtes[index], &place);
  if (err != VIX_OK)
    return err;
  span->allocated = place != 0;
  span->file_sector = s->stream ? place : place + skip;
  n = grain_sectors - skip;
  for (uint64_t i = 1; n < max_sectors && index + i < GTES_PER_TABLE; i++) {
    if (sparse_grain_sector (s, first + i, gtes[index + i], &next) != VIX_OK
        || (next != 0) != span->allocated
        || (next != 0 && (s->stream || next != place + i * grain_sectors)))
      break;
    n += grain_sectors;
  }
  span->nr_sectors = n < max_sectors ? n : max_sectors;
  return VIX_OK;
}

static VixError
sparse_read (struct extent *extent, uint64_t sector, uint64_t nr_sectors,
             uint8_t *buf)
{
  struct sparse *s = (struct sparse *)extent;
  struct span span;
  VixError err;

  while (nr_sectors > 0) {
    err = sparse_span (s, sector, nr_sectors, &span);
    if (err != VIX_OK)
      return err;
    if (!span.allocated)
      memset (buf, 0, span.nr_sectors * VIXDISKLIB_SECTOR_SIZE);
    else if (s->stream)
      err = stream_read (s, sector / s->header.grain_sectors, span.file_sector,
                         sector % s->header.grain_sectors, span.nr_sectors,
                         buf);
    else
      err = file_read (extent->file, buf,
                       span.nr_sectors * VIXDISKLIB_SECTOR_SIZE,
                       span.file_sector * VIXDISKLIB_SECTOR_SIZE);
    if (err != VIX_OK)
      return err;
    sector += span.nr_sectors;
    nr_sectors -= span.nr_sectors;
    buf += span.nr_sectors * VIXDISKLIB_SECTOR_SIZE;
  }
  return VIX_OK;
}

static VixError
sparse_next_run (struct extent *extent, uint64_t sector, uint64_t max_sectors,
                 bool *allocated, uint64_t *nr_sectors)
{
  struct span span;
  VixError err;

  err = sparse_span ((struct sparse *)extent, sector, max_sectors, &span);
  if (err != VIX_OK)
    return err;
  *allocated = span.allocated;
  *nr_sectors = span.nr_sectors;
  return VIX_OK;
}

static void
sparse_close (struct extent *extent)
{
  struct sparse *s = (struct sparse *)extent;

  tables_free (s);
  stream_free (s->stream);
  free (s);
}

static const struct extent_ops sparse_ops = {
  .read = sparse_read,
  .write = sparse_write,
  .next_run = sparse_next_run,
  .close = sparse_close,
};

/* What the descriptor says and what the header says must be one size; a
 * header may round up to whole grains.
 */
static VixError
check_capacity (struct sparse *s, uint64_t nr_sectors)
{
  uint64_t capacity = s->header.capacity;

  if (nr_sectors > capacity || capacity - nr_sectors >= s->header.grain_sectors)
    return log_fail (VIX_E_DISK_PARTMISMATCH,
                     "%s: the image is damaged: the descriptor gives this "
                     "extent %" PRIu64 " sectors, its own header %" PRIu64,
                     s->extent.file->path, nr_sectors, capacity);
  return VIX_OK;
}

VixError
sparse_open (struct file *file, uint64_t nr_sectors, struct extent **out)
{
  struct sparse *s = calloc (1, sizeof *s);
  VixError err;

  if (!s)
    return VIX_E_OUT_OF_MEMORY;
  s->extent.ops = &sparse_ops;
  s->extent.file = file;
  s->extent.nr_sectors = nr_sectors;
  err = sparse_header_read (file, &s->header);
  if (err == VIX_OK)
    err = check_capacity (s, nr_sectors);
  if (err == VIX_OK && (s->header.flags & SPARSE_COMPRESSED)) {
    s->min_grain_sector
        = s->header.descriptor_sector + s->header.descriptor_sectors;
    err = stream_open (s);
  }
  else
    s->min_grain_sector = s->header.overhead;
  if (s->min_grain_sector == 0)
    s->min_grain_sector = 1;
  if (err == VIX_OK)
    err = tables_load_directories (s);
  if (err == VIX_OK)
    err = sparse_check (s);
  if (err != VIX_OK) {
    sparse_close (&s->extent);
    return err;
  }
  *out = &s->extent;
  return VIX_OK;
}
