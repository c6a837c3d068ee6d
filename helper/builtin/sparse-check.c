/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The look through a sparse extent when it is opened: a truncated or damaged
 * file is found before a client has copied half of it.  Only directories and
 * tables are read, not the grains.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "sparse.h"

/* 64 MiB of tables are about 50 ms, and 1 TiB of disk with 64 KiB grains.
 * Behind that, a bad entry is found when it is used.
 */
#define MAX_CHECKED_BYTES (64 * 1024 * 1024)

/* Whether the table at sector lies on the directory at gd_sector. */
static bool
is_on_directory (const struct sparse *s, uint64_t sector, uint64_t gd_sector)
{
  uint64_t bytes = (uint64_t)s->gd_entries * sizeof (uint32_t);

  return gd_sector != 0 && sector + table_sectors (s) > gd_sector
         && sector * VIXDISKLIB_SECTOR_SIZE
                < gd_sector * VIXDISKLIB_SECTOR_SIZE + bytes;
}

/* Tables of hosted files may lie in front of the grains, but not in the
 * header and the descriptor.
 */
static uint64_t
first_free (const struct sparse *s)
{
  uint64_t sector = s->header.descriptor_sector + s->header.descriptor_sectors;

  if (s->header.version == 0)
    return s->tables_sector ? s->tables_sector : s->min_grain_sector;
  return sector ? sector : 1;
}

static VixError
check_directory (const struct sparse *s, const uint32_t *gd)
{
  const struct file *file = s->extent.file;
  uint64_t first = first_free (s);

  for (uint32_t i = 0; i < s->gd_entries; i++) {
    uint64_t sector;

    if (gd[i] == 0)
      continue;
    sector = s->format->table_sector (s, gd[i]);
    if (sector < first)
      return log_fail (VIX_E_DISK_INVALIDDISK,
                       "%s: the image is damaged: grain table %" PRIu32
                       " is said to lie in the header",
                       file->path, i);
    if (is_on_directory (s, sector, s->gd_sector)
        || is_on_directory (s, sector, s->rgd_sector))
      return log_fail (VIX_E_DISK_INVALIDDISK,
                       "%s: the image is damaged: grain table %" PRIu32
                       " is said to lie in a grain directory",
                       file->path, i);
    if ((sector + table_sectors (s)) * VIXDISKLIB_SECTOR_SIZE > file->size)
      return log_fail (VIX_E_DISK_INVALIDDISK,
                       "%s: the file is truncated: grain table %" PRIu32
                       " lies behind its %" PRIu64 " bytes",
                       file->path, i, file->size);
  }
  return VIX_OK;
}

/* *last becomes the highest grain sector seen. */
static VixError
check_table (const struct sparse *s, struct table *table, uint64_t *last)
{
  const uint32_t per_table = s->format->entries_per_table;
  uint64_t grain = (uint64_t)table->gd_index * per_table;
  uint64_t nr_grains = count_grains (s);
  struct place place;
  VixError err;

  err = file_read (s->extent.file, table->raw, table_bytes (s),
                   s->format->table_sector (s, s->gd[table->gd_index])
                       * VIXDISKLIB_SECTOR_SIZE);
  for (uint32_t i = 0; err == VIX_OK && i < per_table && grain < nr_grains;
       i++, grain++) {
    uint64_t entry = tables_entry (s, table, i);

    if (entry == 0)
      continue;
    err = s->format->place (s, grain, entry, &place);
    if (err == VIX_OK && place.kind == SPAN_DATA && place.sector > *last)
      *last = place.sector;
  }
  return err;
}

VixError
sparse_check (struct sparse *s)
{
  struct table *table;
  uint64_t checked = 0;
  uint64_t last = 0;
  VixError err;

  err = check_directory (s, s->gd);
  if (err == VIX_OK && s->rgd)
    err = check_directory (s, s->rgd);
  if (err != VIX_OK)
    return err;
  table = calloc (1, sizeof *table + table_bytes (s));
  if (!table)
    return VIX_E_OUT_OF_MEMORY;
  for (uint32_t i = 0;
       err == VIX_OK && checked < MAX_CHECKED_BYTES && i < s->gd_entries; i++) {
    if (s->gd[i] == 0)
      continue;
    table->gd_index = i;
    err = check_table (s, table, &last);
    checked += table_bytes (s);
  }
  free (table);
  if (err == VIX_OK && s->stream && last != 0)
    err = stream_check (s, last);
  return err;
}

static VixError
repair_table (struct sparse *s, uint32_t gd_index, uint8_t *primary,
              uint8_t *other)
{
  struct file *file = s->extent.file;
  uint64_t offset = s->rgd[gd_index] * (uint64_t)VIXDISKLIB_SECTOR_SIZE;
  VixError err;

  err = file_read (file, primary, table_bytes (s),
                   s->gd[gd_index] * (uint64_t)VIXDISKLIB_SECTOR_SIZE);
  if (err == VIX_OK)
    err = file_read (file, other, table_bytes (s), offset);
  if (err == VIX_OK && memcmp (primary, other, table_bytes (s)) != 0)
    err = file_write (file, primary, table_bytes (s), offset);
  return err;
}

VixError
sparse_repair (struct sparse *s)
{
  uint8_t *both = malloc (2 * table_bytes (s));
  VixError err = both ? VIX_OK : VIX_E_OUT_OF_MEMORY;

  for (uint32_t i = 0; err == VIX_OK && i < s->gd_entries; i++)
    if (s->gd[i] != 0 && s->rgd[i] != 0)
      err = repair_table (s, i, both, both + table_bytes (s));
  free (both);
  return err;
}
