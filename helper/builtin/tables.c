/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Grain directories and grain tables in memory.  Directories are there whole,
 * tables in a cache with a bound (second chance: a hand goes round and takes
 * what was not used since).  A dirty table stays until it is committed.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "bytes.h"
#include "log.h"
#include "sparse.h"

/* Of clean and dirty tables, over all disks of the process. */
static atomic_size_t cached_bytes;

static VixError
load_directory (struct sparse *s, uint64_t sector, uint32_t **out)
{
  size_t n = s->gd_entries;
  uint32_t *gd = malloc (n * sizeof *gd);
  VixError err;

  if (!gd)
    return VIX_E_OUT_OF_MEMORY;
  *out = gd;
  err = file_read (s->extent.file, gd, n * sizeof *gd,
                   sector * VIXDISKLIB_SECTOR_SIZE);
  for (size_t i = 0; err == VIX_OK && i < n; i++)
    gd[i] = le32toh (gd[i]);
  return err;
}

VixError
tables_load_directories (struct sparse *s)
{
  VixError err = VIX_OK;

  if (!s->gd) /* else the format has loaded it itself */
    err = load_directory (s, s->gd_sector, &s->gd);
  if (err == VIX_OK && s->rgd_sector != 0)
    err = load_directory (s, s->rgd_sector, &s->rgd);
  if (err != VIX_OK)
    return err;
  s->tables = calloc (s->gd_entries, sizeof (struct table *));
  return s->tables ? VIX_OK : VIX_E_OUT_OF_MEMORY;
}

/* Takes a clean table out of the ring that was not used lately. */
static void
evict_one (struct sparse *s)
{
  for (size_t steps = 0; steps < 2 * s->nr_ring; steps++) {
    struct table *table;

    s->hand = (s->hand + 1) % s->nr_ring;
    table = s->ring[s->hand];
    if (table->dirty)
      continue;
    if (table->recent) {
      table->recent = false;
      continue;
    }
    s->ring[s->hand] = s->ring[--s->nr_ring];
    s->tables[table->gd_index] = NULL;
    free (table);
    atomic_fetch_sub (&cached_bytes, table_bytes (s));
    return;
  }
}

static VixError
add_table (struct sparse *s, uint32_t gd_index, struct table **out)
{
  struct table *table;

  while (s->nr_ring > MIN_CACHED_TABLES + s->nr_dirty
         && atomic_load (&cached_bytes) >= MAX_CACHED_BYTES)
    evict_one (s);
  if (s->nr_ring == s->max_ring) {
    size_t max = s->max_ring ? s->max_ring * 2 : MIN_CACHED_TABLES;
    struct table **ring = realloc (s->ring, max * sizeof (struct table *));

    if (!ring)
      return VIX_E_OUT_OF_MEMORY;
    s->ring = ring;
    s->max_ring = max;
  }
  table = calloc (1, sizeof *table + table_bytes (s));
  if (!table)
    return VIX_E_OUT_OF_MEMORY;
  atomic_fetch_add (&cached_bytes, table_bytes (s));
  table->gd_index = gd_index;
  s->ring[s->nr_ring++] = table;
  s->tables[gd_index] = table;
  *out = table;
  return VIX_OK;
}

/* add_table's last. */
static void
drop_last (struct sparse *s)
{
  struct table *table = s->ring[--s->nr_ring];

  s->tables[table->gd_index] = NULL;
  free (table);
  atomic_fetch_sub (&cached_bytes, table_bytes (s));
}

VixError
tables_get (struct sparse *s, uint32_t gd_index, struct table **out)
{
  struct table *table = s->tables[gd_index];
  VixError err;

  if (!table && s->gd[gd_index] != 0) {
    err = add_table (s, gd_index, &table);
    if (err != VIX_OK)
      return err;
    err = file_read (s->extent.file, table->raw, table_bytes (s),
                     s->format->table_sector (s, s->gd[gd_index])
                         * VIXDISKLIB_SECTOR_SIZE);
    if (err != VIX_OK) {
      drop_last (s);
      return err;
    }
  }
  if (table)
    table->recent = true;
  *out = table;
  return VIX_OK;
}

static VixError
reserve_table (struct sparse *s, uint32_t *gde)
{
  uint64_t sector;
  VixError err;

  if (*gde != 0)
    return VIX_OK;
  err = sparse_reserve (s, table_sectors (s), &sector);
  if (err == VIX_OK)
    *gde = (uint32_t)sector;
  return err;
}

void
tables_set_dirty (struct sparse *s, struct table *table)
{
  if (table->dirty)
    return;
  table->dirty = true;
  s->nr_dirty++;
  kill_log_count_dirty (s->extent.kill_log, table_bytes (s));
}

/* Tells a successor that the directories have a new table. */
static void
announce (const struct sparse *s, uint32_t gd_index)
{
  struct kill_record record = {
    .type = KILL_TABLE,
    .extent = (uint16_t)s->extent.index,
    .count = s->rgd ? s->rgd[gd_index] : 0,
    .place = gd_index,
    .value = s->gd[gd_index],
  };

  kill_log_add (s->extent.kill_log, &record);
}

VixError
tables_ensure (struct sparse *s, uint32_t gd_index, struct table **out)
{
  VixError err = tables_get (s, gd_index, out);
  uint32_t gde = s->gd[gd_index];
  uint32_t rgde = s->rgd ? s->rgd[gd_index] : 0;

  if (err != VIX_OK || (*out && (!s->rgd || rgde != 0)))
    return err;
  if (s->stream) { /* gets its place in the file with the commit */
    err = add_table (s, gd_index, out);
    if (err == VIX_OK)
      tables_set_dirty (s, *out);
    return err;
  }
  if (!*out) /* a redundant one alone is of a writer that died: leave it */
    rgde = 0;
  err = reserve_table (s, &gde);
  if (err == VIX_OK && s->rgd)
    err = reserve_table (s, &rgde);
  if (err == VIX_OK && !*out)
    err = add_table (s, gd_index, out);
  if (err != VIX_OK)
    return err;
  s->gd[gd_index] = gde;
  if (s->rgd)
    s->rgd[gd_index] = rgde;
  (*out)->new_gde = true;
  tables_set_dirty (s, *out);
  announce (s, gd_index);
  return VIX_OK;
}

uint64_t
tables_entry (const struct sparse *s, const struct table *table, uint32_t index)
{
  return s->format->entry_bytes == 4 ? get32 (table->raw + index * 4)
                                     : get64 (table->raw + index * 8);
}

void
tables_set (struct sparse *s, struct table *table, uint64_t first,
            uint32_t count, uint32_t value)
{
  uint32_t index = (uint32_t)(first % s->format->entries_per_table);
  uint32_t step = value == GTE_ZEROED ? 0 : (uint32_t)s->grain_sectors;

  for (uint32_t i = 0; i < count; i++)
    put32 (table->raw + (index + i) * 4, value + i * step);
  tables_set_dirty (s, table);
}

void
tables_free (struct sparse *s)
{
  while (s->nr_ring > 0)
    drop_last (s);
  free (s->ring);
  free (s->tables);
  free (s->gd);
  free (s->rgd);
}
