/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From memory to the file: tables whose data is durable, both copies, and the
 * directories' entries for new ones.  And back: what a killed process left in
 * the kill log becomes dirty tables again.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "bytes.h"
#include "log.h"
#include "sparse.h"

bool
tables_is_dirty (struct extent *extent)
{
  struct sparse *s = (struct sparse *)extent;
  bool dirty;

  pthread_mutex_lock (&s->lock);
  dirty = s->nr_dirty > 0;
  pthread_mutex_unlock (&s->lock);
  return dirty;
}

static VixError
write_copy (struct sparse *s, const struct table *table, const uint32_t *gd,
            uint64_t gd_sector)
{
  uint32_t gde = gd[table->gd_index];
  uint8_t raw[4];
  VixError err;

  err = file_write (s->extent.file, table->raw, table_bytes (s),
                    s->format->table_sector (s, gde) * VIXDISKLIB_SECTOR_SIZE);
  if (err != VIX_OK || !table->new_gde)
    return err;
  put32 (raw, gde);
  return file_write (s->extent.file, raw, sizeof raw,
                     gd_sector * VIXDISKLIB_SECTOR_SIZE
                         + (uint64_t)table->gd_index * sizeof raw);
}

VixError
tables_commit (struct extent *extent)
{
  struct sparse *s = (struct sparse *)extent;
  VixError err = VIX_OK;

  pthread_mutex_lock (&s->lock);
  if (s->stream) {
    err = stream_commit (s);
    pthread_mutex_unlock (&s->lock);
    return err;
  }
  for (size_t i = 0; err == VIX_OK && s->nr_dirty > 0 && i < s->nr_ring; i++) {
    const struct table *table = s->ring[i];

    if (!table->dirty)
      continue;
    if (s->rgd)
      err = write_copy (s, table, s->rgd, s->rgd_sector);
    if (err == VIX_OK)
      err = write_copy (s, table, s->gd, s->gd_sector);
  }
  pthread_mutex_unlock (&s->lock);
  return err;
}

void
tables_committed (struct extent *extent)
{
  struct sparse *s = (struct sparse *)extent;

  pthread_mutex_lock (&s->lock);
  for (size_t i = 0; s->nr_dirty > 0 && i < s->nr_ring; i++) {
    struct table *table = s->ring[i];

    s->nr_dirty -= table->dirty;
    table->dirty = false;
    table->new_gde = false;
  }
  pthread_mutex_unlock (&s->lock);
}

VixError
tables_finish (struct extent *extent)
{
  struct sparse *s = (struct sparse *)extent;
  VixError err = VIX_OK;

  if (s->marked || (s->unclean && extent->file->writable)) {
    err = s->format->mark (s, false);
    s->marked = false;
  }
  return err;
}

static VixError
recall_table (struct sparse *s, const struct kill_record *record)
{
  uint32_t gd_index = (uint32_t)record->place;
  uint32_t copies[2] = { record->value, record->count };
  struct table *table;
  VixError err;

  if (record->place >= s->gd_entries || (s->rgd && record->count == 0))
    return VIX_E_DISK_INVALIDDISK;
  for (int i = 0; i < 2; i++)
    if (copies[i] != 0
        && (copies[i] < s->min_grain_sector
            || (copies[i] + table_sectors (s)) * VIXDISKLIB_SECTOR_SIZE
                   > s->extent.file->size))
      return VIX_E_DISK_INVALIDDISK;
  s->gd[gd_index] = record->value;
  if (s->rgd)
    s->rgd[gd_index] = record->count;
  err = tables_get (s, gd_index, &table);
  if (err == VIX_OK && table) {
    table->new_gde = true;
    tables_set_dirty (s, table);
  }
  return err;
}

VixError
tables_recall (struct extent *extent, const struct kill_record *record)
{
  struct sparse *s = (struct sparse *)extent;
  const uint32_t per_table = s->format->entries_per_table;
  uint64_t last = record->place + record->count - 1;
  struct table *table;
  struct place place;
  VixError err;

  if (record->type == KILL_TABLE)
    return recall_table (s, record);
  if (record->count == 0 || last >= count_grains (s)
      || record->place / per_table != last / per_table)
    return VIX_E_DISK_INVALIDDISK;
  err = s->format->place (s, last,
                          record->value == GTE_ZEROED
                              ? GTE_ZEROED
                              : record->value
                                    + (record->count - 1) * s->grain_sectors,
                          &place);
  if (err == VIX_OK)
    err = tables_get (s, (uint32_t)(last / per_table), &table);
  if (err == VIX_OK && !table)
    err = VIX_E_DISK_INVALIDDISK;
  if (err == VIX_OK)
    tables_set (s, table, record->place, record->count, record->value);
  return err;
}
