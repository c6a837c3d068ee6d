/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A sparse extent of any format: opening, lookup, reading.  Adjacent grains of
 * one request become one read.  (Writing is in sparse-write.c.)
 */
#include "sparse.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "log.h"

VixError
sparse_lock (struct sparse *s)
{
  if (!file_nowait)
    pthread_mutex_lock (&s->lock);
  else if (pthread_mutex_trylock (&s->lock) != 0)
    return FILE_WOULD_BLOCK;
  return VIX_OK;
}

VixError
sparse_place (const struct sparse *s, uint64_t grain, uint64_t sector,
              struct place *place)
{
  const struct file *file = s->extent.file;
  uint64_t length = s->stream ? 1 : grain_length (s, grain);
  uint64_t file_sectors = file->size / VIXDISKLIB_SECTOR_SIZE;

  if (sector < s->min_grain_sector)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the image is damaged: the table entry of grain "
                     "%" PRIu64 " points into metadata",
                     file->path, grain);
  if (sector > file_sectors || length > file_sectors - sector)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the file is truncated: grain %" PRIu64
                     " lies behind its %" PRIu64 " bytes",
                     file->path, grain, file->size);
  *place = (struct place){ .kind = SPAN_DATA, .sector = sector };
  return VIX_OK;
}

static VixError
place_of (const struct sparse *s, const struct table *table, uint64_t grain,
          struct place *place)
{
  uint32_t index = (uint32_t)(grain % s->format->entries_per_table);
  uint64_t entry = tables_entry (s, table, index);

  if (entry == 0) {
    *place = (struct place){ .kind = SPAN_ABSENT };
    return VIX_OK;
  }
  return s->format->place (s, grain, entry, place);
}

/* Whether the grain i behind the first continues the span that it began. */
static bool
continues (const struct sparse *s, const struct place *first,
           const struct place *next, uint64_t i)
{
  if (next->kind != first->kind)
    return false;
  return first->kind != SPAN_DATA
         || (!s->stream
             && next->sector == first->sector + i * s->grain_sectors);
}

VixError
sparse_span_locked (struct sparse *s, uint64_t sector, uint64_t max_sectors,
                    struct span *span)
{
  const uint64_t grain_sectors = s->grain_sectors;
  const uint32_t per_table = s->format->entries_per_table;
  const uint64_t first = sector / grain_sectors;
  const uint64_t skip = sector % grain_sectors;
  struct place place, next;
  struct table *table;
  uint64_t left = per_table - first % per_table;
  uint64_t n;
  VixError err;

  err = tables_get (s, (uint32_t)(first / per_table), &table);
  if (err != VIX_OK)
    return err;
  *span = (struct span){ .kind = SPAN_ABSENT };
  if (!table) {
    n = left * grain_sectors - skip;
    span->nr_sectors = n < max_sectors ? n : max_sectors;
    return VIX_OK;
  }
  err = place_of (s, table, first, &place);
  if (err != VIX_OK)
    return err;
  span->kind = place.kind;
  span->file_sector = s->stream ? place.sector : place.sector + skip;
  n = grain_sectors - skip;
  for (uint64_t i = 1; n < max_sectors && i < left; i++) {
    if (place_of (s, table, first + i, &next) != VIX_OK
        || !continues (s, &place, &next, i))
      break;
    n += grain_sectors;
  }
  span->nr_sectors = n < max_sectors ? n : max_sectors;
  return VIX_OK;
}

static VixError
sparse_span (struct extent *extent, uint64_t sector, uint64_t max_sectors,
             struct span *span)
{
  struct sparse *s = (struct sparse *)extent;
  VixError err = sparse_lock (s);

  if (err != VIX_OK)
    return err;
  err = sparse_span_locked (s, sector, max_sectors, span);
  pthread_mutex_unlock (&s->lock);
  return err;
}

static VixError
sparse_read (struct extent *extent, uint64_t sector, const struct span *span,
             uint8_t *buf)
{
  struct sparse *s = (struct sparse *)extent;

  if (s->stream)
    return stream_read (s, sector / s->grain_sectors, span->file_sector,
                        sector % s->grain_sectors, span->nr_sectors, buf);
  return file_read (extent->file, buf,
                    span->nr_sectors * VIXDISKLIB_SECTOR_SIZE,
                    span->file_sector * VIXDISKLIB_SECTOR_SIZE);
}

void
sparse_free (struct sparse *s)
{
  tables_free (s);
  stream_free (s->stream);
  pthread_cond_destroy (&s->changed);
  pthread_mutex_destroy (&s->lock);
  free (s);
}

static void
sparse_close (struct extent *extent)
{
  sparse_free ((struct sparse *)extent);
}

static const struct extent_ops sparse_ops = {
  .span = sparse_span,
  .read = sparse_read,
  .write = sparse_write,
  .is_dirty = tables_is_dirty,
  .commit = tables_commit,
  .committed = tables_committed,
  .finish = tables_finish,
  .recall = tables_recall,
  .close = sparse_close,
};

struct sparse *
sparse_new (const struct sparse_format *format, struct file *file,
            uint64_t nr_sectors)
{
  struct sparse *s = calloc (1, sizeof *s);

  if (!s)
    return NULL;
  pthread_mutex_init (&s->lock, NULL);
  pthread_cond_init (&s->changed, NULL);
  s->format = format;
  s->extent.ops = &sparse_ops;
  s->extent.file = file;
  s->extent.nr_sectors = nr_sectors;
  return s;
}

/* What the descriptor says and what the header says must be one size; a
 * header may round up to whole grains.
 */
static VixError
check_capacity (const struct sparse *s)
{
  uint64_t nr_sectors = s->extent.nr_sectors;

  if (nr_sectors > s->capacity || s->capacity - nr_sectors >= s->grain_sectors)
    return log_fail (VIX_E_DISK_PARTMISMATCH,
                     "%s: the image is damaged: the descriptor gives this "
                     "extent %" PRIu64 " sectors, its own header %" PRIu64,
                     s->extent.file->path, nr_sectors, s->capacity);
  return VIX_OK;
}

VixError
sparse_open (struct sparse *s, struct extent **out)
{
  uint64_t grain_bytes = s->grain_sectors * VIXDISKLIB_SECTOR_SIZE;
  VixError err = check_capacity (s);

  s->end = (s->extent.file->size + grain_bytes - 1) / grain_bytes
           * s->grain_sectors;
  if (err == VIX_OK)
    err = tables_load_directories (s);
  if (err == VIX_OK && !config.look_at_all)
    err = sparse_check (s);
  if (err == VIX_OK && s->unclean && s->rgd)
    err = sparse_repair (s);
  if (err != VIX_OK) {
    sparse_free (s);
    return err;
  }
  *out = &s->extent;
  return VIX_OK;
}
