/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing to a sparse extent.  Data of new grains goes behind the end of the
 * file, with what they keep of the parent around it; their entries are made in
 * memory, and in the kill log.  Data in old grains is overwritten where it is.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "sparse.h"

/* Zeroes over data of at least this much free its room. */
#define PUNCH_SECTORS 128

/* A stretch of a request, inside one grain table. */
struct piece {
  uint64_t sector;
  uint64_t nr_sectors;
  const uint8_t *buf;
  bool zero;       /* all of it is zeroes */
  bool from_below; /* what it leaves of its grains is the parent's */
};

/* Splits off the grains at sector that are all zeroes in buf, or that all are
 * not; returns how many sectors that is.
 */
static uint64_t
split (const struct sparse *s, uint64_t sector, uint64_t nr_sectors,
       const uint8_t *buf, bool *zero)
{
  uint64_t done = 0;

  while (done < nr_sectors) {
    uint64_t n = s->grain_sectors - (sector + done) % s->grain_sectors;
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

VixError
sparse_reserve (struct sparse *s, uint64_t nr_sectors, uint64_t *sector)
{
  struct file *file = s->extent.file;
  uint64_t end = s->end + nr_sectors;
  VixError err = VIX_OK;

  if (end > (UINT64_C (1) << 32))
    return log_fail (VIX_E_FILE_TOO_BIG,
                     "%s: the sparse extent is at its 2 TiB limit", file->path);
  if (!s->marked) {
    err = s->format->mark (s, true);
    s->marked = err == VIX_OK;
  }
  if (err == VIX_OK)
    err = file_resize (file, end * VIXDISKLIB_SECTOR_SIZE);
  if (err != VIX_OK)
    return err;
  *sector = s->end;
  s->end = (end + s->grain_sectors - 1) / s->grain_sectors * s->grain_sectors;
  return VIX_OK;
}

/* Waits while somebody else allocates one of these grains; returns whether it
 * had to.
 */
static bool
wait_for_others (struct sparse *s, uint64_t first, uint64_t count)
{
  for (const struct pending *p = s->pending; p; p = p->next)
    if (p->first < first + count && first < p->first + p->count) {
      pthread_cond_wait (&s->changed, &s->lock);
      return true;
    }
  return false;
}

static void
forget_pending (struct sparse *s, const struct pending *mine)
{
  struct pending **link = &s->pending;

  while (*link != mine)
    link = &(*link)->next;
  *link = mine->next;
  pthread_cond_broadcast (&s->changed);
}

void
sparse_claim (struct sparse *s, struct pending *mine)
{
  pthread_mutex_lock (&s->lock);
  while (wait_for_others (s, mine->first, mine->count))
    ;
  mine->next = s->pending;
  s->pending = mine;
  pthread_mutex_unlock (&s->lock);
}

void
sparse_release (struct sparse *s, const struct pending *mine)
{
  pthread_mutex_lock (&s->lock);
  forget_pending (s, mine);
  pthread_mutex_unlock (&s->lock);
}

/* Copies what the parent has of [sector, end) to where it belongs now. */
static VixError
copy_from_below (struct sparse *s, uint64_t sector, uint64_t end,
                 uint64_t file_sector)
{
  uint64_t bytes = (end - sector) * VIXDISKLIB_SECTOR_SIZE;
  const struct extent *extent = &s->extent;
  uint8_t *copy;
  VixError err;

  if (sector >= end)
    return VIX_OK;
  copy = malloc (bytes);
  if (!copy)
    return VIX_E_OUT_OF_MEMORY;
  err = extent->below->read (extent->below, extent->start_sector + sector,
                             end - sector, copy);
  if (err == VIX_OK && !is_zero (copy, end - sector))
    err = file_write (extent->file, copy, bytes,
                      file_sector * VIXDISKLIB_SECTOR_SIZE);
  free (copy);
  return err;
}

/* Fills new grains at place, which so far read as zeroes. */
static VixError
fill_grains (struct sparse *s, const struct piece *p, uint64_t first,
             uint64_t count, uint64_t place)
{
  const uint64_t start = first * s->grain_sectors;
  uint64_t end = start + count * s->grain_sectors;
  const uint64_t done = p->sector + p->nr_sectors;
  VixError err = VIX_OK;

  if (end > s->extent.nr_sectors)
    end = s->extent.nr_sectors;
  if (!p->zero)
    err = file_write (s->extent.file, p->buf,
                      p->nr_sectors * VIXDISKLIB_SECTOR_SIZE,
                      (place + p->sector - start) * VIXDISKLIB_SECTOR_SIZE);
  if (err == VIX_OK && p->from_below)
    err = copy_from_below (s, start, p->sector, place);
  if (err == VIX_OK && p->from_below)
    err = copy_from_below (s, done, end, place + done - start);
  return err;
}

/* Sets the entries of grains that are filled, for us and for a successor. */
static VixError
publish (struct sparse *s, uint64_t first, uint64_t count, uint32_t value)
{
  struct kill_record record = {
    .type = KILL_ENTRIES,
    .extent = (uint16_t)s->extent.index,
    .count = (uint32_t)count,
    .place = first,
    .value = value,
  };
  struct table *table;
  VixError err;

  err = tables_get (s, (uint32_t)(first / s->format->entries_per_table),
                    &table);
  if (err != VIX_OK)
    return err;
  tables_set (s, table, first, (uint32_t)count, value);
  kill_log_add (s->extent.kill_log, &record);
  return VIX_OK;
}

/* Whether all of these grains still have no data. */
static VixError
check_unallocated (struct sparse *s, const struct piece *p, bool *unallocated)
{
  struct span span;
  VixError err;

  *unallocated = false;
  err = sparse_span_locked (s, p->sector, p->nr_sectors, &span);
  if (err == VIX_OK)
    *unallocated = span.kind != SPAN_DATA && span.nr_sectors == p->nr_sectors
                   && (span.kind == SPAN_ABSENT || !p->from_below);
  return err;
}

/* With the lock held, which is given back in between. */
static VixError
allocate_locked (struct sparse *s, const struct piece *p, bool *again)
{
  const uint64_t grain_sectors = s->grain_sectors;
  const uint64_t first = p->sector / grain_sectors;
  const uint64_t count
      = (p->sector + p->nr_sectors - 1) / grain_sectors - first + 1;
  struct pending mine = { .next = s->pending, .first = first, .count = count };
  bool unallocated;
  struct table *table;
  uint64_t place;
  VixError err;

  *again = wait_for_others (s, first, count);
  if (*again)
    return VIX_OK;
  err = check_unallocated (s, p, &unallocated);
  *again = !unallocated;
  if (err != VIX_OK || *again)
    return err;
  err = tables_ensure (s, (uint32_t)(first / s->format->entries_per_table),
                       &table);
  if (err == VIX_OK && p->zero && s->zeroed_grains
      && p->sector % grain_sectors == 0
      && (p->nr_sectors % grain_sectors == 0
          || p->sector + p->nr_sectors == s->extent.nr_sectors))
    return publish (s, first, count, GTE_ZEROED);
  if (err == VIX_OK)
    err = sparse_reserve (s, count * grain_sectors, &place);
  if (err != VIX_OK)
    return err;
  mine.next = s->pending;
  s->pending = &mine;
  pthread_mutex_unlock (&s->lock);
  err = fill_grains (s, p, first, count, place);
  pthread_mutex_lock (&s->lock);
  if (err == VIX_OK)
    err = publish (s, first, count, (uint32_t)place);
  forget_pending (s, &mine);
  return err;
}

static VixError
allocate (struct sparse *s, const struct piece *p, bool *again)
{
  VixError err;

  pthread_mutex_lock (&s->lock);
  err = allocate_locked (s, p, again);
  pthread_mutex_unlock (&s->lock);
  return err;
}

static VixError
write_in_place (struct sparse *s, const struct span *span, const uint8_t *buf)
{
  uint64_t bytes = span->nr_sectors * VIXDISKLIB_SECTOR_SIZE;
  uint64_t offset = span->file_sector * VIXDISKLIB_SECTOR_SIZE;

  if (span->nr_sectors >= PUNCH_SECTORS && is_zero (buf, span->nr_sectors))
    return file_zero (s->extent.file, buf, bytes, offset);
  return file_write (s->extent.file, buf, bytes, offset);
}

/* Writes the beginning of p, as much as is kept alike; *done says how much. */
static VixError
write_some (struct sparse *s, struct piece *p, uint64_t *done)
{
  bool again = true;
  struct span span;
  VixError err;

  *done = 0;
  pthread_mutex_lock (&s->lock);
  err = sparse_span_locked (s, p->sector, p->nr_sectors, &span);
  pthread_mutex_unlock (&s->lock);
  if (err != VIX_OK)
    return err;
  if (span.kind == SPAN_DATA) {
    *done = span.nr_sectors;
    return write_in_place (s, &span, p->buf);
  }
  p->nr_sectors = split (s, p->sector, span.nr_sectors, p->buf, &p->zero);
  p->from_below = span.kind == SPAN_ABSENT && s->extent.below;
  if (!p->zero || p->from_below) {
    err = allocate (s, p, &again);
    if (err != VIX_OK || again)
      return err;
  }
  *done = p->nr_sectors;
  return VIX_OK;
}

VixError
sparse_write (struct extent *extent, uint64_t sector, uint64_t nr_sectors,
              const uint8_t *buf)
{
  struct sparse *s = (struct sparse *)extent;
  uint64_t per_table = s->grain_sectors * s->format->entries_per_table;
  VixError err = VIX_OK;
  uint64_t done;

  if (s->stream)
    return stream_write (s, sector, nr_sectors, buf);
  while (err == VIX_OK && nr_sectors > 0) {
    struct piece p = { .sector = sector, .buf = buf };

    p.nr_sectors = per_table - sector % per_table;
    if (p.nr_sectors > nr_sectors)
      p.nr_sectors = nr_sectors;
    err = write_some (s, &p, &done);
    sector += done;
    nr_sectors -= done;
    buf += done * VIXDISKLIB_SECTOR_SIZE;
  }
  return err;
}
