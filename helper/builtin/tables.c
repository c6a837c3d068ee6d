/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Grain directories and grain tables.  Directories are in memory whole, tables
 * in a bounded cache, both written through: data is on its way to the file
 * before an entry for it, the redundant copy before the primary one.
 */
#include "sparse.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static VixError
load_directory (struct sparse *s, uint64_t sector, uint32_t **out)
{
  size_t n = s->header.gd_entries;
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
  VixError err = load_directory (s, s->header.gd_sector, &s->gd);

  if (err == VIX_OK && s->extent.file->writable && s->header.rgd_sector != 0)
    err = load_directory (s, s->header.rgd_sector, &s->rgd);
  if (err != VIX_OK)
    return err;
  s->nr_cached = s->header.gd_entries < MAX_CACHED_TABLES ? s->header.gd_entries
                                                          : MAX_CACHED_TABLES;
  s->cache = calloc (s->nr_cached, sizeof *s->cache);
  return s->cache ? VIX_OK : VIX_E_OUT_OF_MEMORY;
}

static struct cached_table *
slot_of (struct sparse *s, uint32_t gd_index)
{
  return &s->cache[gd_index % s->nr_cached];
}

static void
forget (struct cached_table *slot)
{
  free (slot->gtes);
  slot->gtes = NULL;
}

VixError
tables_get (struct sparse *s, uint32_t gd_index, const uint32_t **gtes)
{
  struct cached_table *slot = slot_of (s, gd_index);
  VixError err;

  *gtes = NULL;
  if (s->gd[gd_index] == 0)
    return VIX_OK;
  if (slot->gtes && slot->gd_index == gd_index) {
    *gtes = slot->gtes;
    return VIX_OK;
  }
  if (!slot->gtes && !(slot->gtes = malloc (TABLE_BYTES)))
    return VIX_E_OUT_OF_MEMORY;
  slot->gd_index = gd_index;
  err = file_read (s->extent.file, slot->gtes, TABLE_BYTES,
                   (uint64_t)s->gd[gd_index] * VIXDISKLIB_SECTOR_SIZE);
  if (err != VIX_OK) {
    forget (slot);
    return err;
  }
  for (size_t i = 0; i < GTES_PER_TABLE; i++)
    slot->gtes[i] = le32toh (slot->gtes[i]);
  *gtes = slot->gtes;
  return VIX_OK;
}

/* Adds a table with the given entries (host order; NULL is all 0) at the end
 * of the file, then its entry in the directory at gd_sector.
 */
static VixError
add_table (struct sparse *s, uint32_t *gd, uint64_t gd_sector,
           uint32_t gd_index, const uint32_t *gtes)
{
  uint64_t old_size = s->extent.file->size;
  uint64_t sector = sparse_end (s);
  uint32_t raw[GTES_PER_TABLE] = { 0 };
  uint32_t gde;
  VixError err;

  if (sector > UINT32_MAX)
    return log_fail (VIX_E_FILE_TOO_BIG,
                     "%s: the sparse extent is at its 2 TiB limit",
                     s->extent.file->path);
  for (size_t i = 0; gtes && i < GTES_PER_TABLE; i++)
    raw[i] = htole32 (gtes[i]);
  err = file_write (s->extent.file, raw, sizeof raw,
                    sector * VIXDISKLIB_SECTOR_SIZE);
  if (err != VIX_OK) {
    sparse_give_back (s, old_size);
    return err;
  }
  gde = htole32 ((uint32_t)sector);
  err = file_write (s->extent.file, &gde, sizeof gde,
                    gd_sector * VIXDISKLIB_SECTOR_SIZE
                        + (uint64_t)gd_index * sizeof gde);
  if (err == VIX_OK)
    gd[gd_index] = (uint32_t)sector;
  return err;
}

VixError
tables_ensure (struct sparse *s, uint32_t gd_index)
{
  const uint32_t *gtes;
  VixError err = tables_get (s, gd_index, &gtes);

  /* Without a primary table, what a redundant one says was never in effect:
   * a writer died between the two.  It gets a new one.
   */
  if (err == VIX_OK && s->rgd && (s->rgd[gd_index] == 0 || !gtes))
    err = add_table (s, s->rgd, s->header.rgd_sector, gd_index, gtes);
  if (err == VIX_OK && !gtes)
    err = add_table (s, s->gd, s->header.gd_sector, gd_index, NULL);
  return err;
}

VixError
tables_set (struct sparse *s, uint32_t gd_index, uint32_t first, uint32_t count,
            uint64_t sector)
{
  uint64_t offset = (uint64_t)first * sizeof (uint32_t);
  uint64_t length = (uint64_t)count * sizeof (uint32_t);
  struct cached_table *slot = slot_of (s, gd_index);
  uint32_t raw[GTES_PER_TABLE];
  VixError err = VIX_OK;

  for (uint32_t i = 0; i < count; i++)
    raw[i] = htole32 ((uint32_t)(sector + i * s->header.grain_sectors));
  if (s->rgd)
    err = file_write (s->extent.file, raw, length,
                      (uint64_t)s->rgd[gd_index] * VIXDISKLIB_SECTOR_SIZE
                          + offset);
  if (err == VIX_OK)
    err = file_write (s->extent.file, raw, length,
                      (uint64_t)s->gd[gd_index] * VIXDISKLIB_SECTOR_SIZE
                          + offset);
  if (!slot->gtes || slot->gd_index != gd_index)
    return err;
  if (err != VIX_OK) /* what did reach the file is read from it again */
    forget (slot);
  for (uint32_t i = 0; err == VIX_OK && i < count; i++)
    slot->gtes[first + i] = le32toh (raw[i]);
  return err;
}

void
tables_free (struct sparse *s)
{
  for (uint32_t i = 0; s->cache && i < s->nr_cached; i++)
    forget (&s->cache[i]);
  free (s->cache);
  free (s->gd);
  free (s->rgd);
}
