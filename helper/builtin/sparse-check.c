/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The look through a sparse extent when it is opened: a truncated or damaged
 * file is found before a client has copied half of it.  Only directories and
 * tables are read, not the grains.
 */
#include "sparse.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>

#include "log.h"

/* 64 MiB of tables are about 50 ms, and 1 TiB of disk with 64 KiB grains.
 * Behind that, a bad entry is found when it is used.
 */
#define MAX_CHECKED_TABLES (64 * 1024 * 1024 / TABLE_BYTES)

/* Tables that follow each other are read in pieces of this many. */
#define TABLES_AT_ONCE 64

/* Whether the table at sector lies on the directory at gd_sector. */
static bool
is_on_directory (const struct sparse *s, uint64_t sector, uint64_t gd_sector)
{
  uint64_t bytes = (uint64_t)s->header.gd_entries * sizeof (uint32_t);

  return gd_sector != 0 && sector + TABLE_SECTORS > gd_sector
         && sector * VIXDISKLIB_SECTOR_SIZE
                < gd_sector * VIXDISKLIB_SECTOR_SIZE + bytes;
}

static VixError
check_directory (const struct sparse *s, const uint32_t *gd)
{
  const struct file *file = s->extent.file;
  uint64_t first_free
      = s->header.descriptor_sector + s->header.descriptor_sectors;

  if (first_free == 0)
    first_free = 1;
  for (uint32_t i = 0; i < s->header.gd_entries; i++) {
    uint64_t end = ((uint64_t)gd[i] + TABLE_SECTORS) * VIXDISKLIB_SECTOR_SIZE;

    if (gd[i] == 0)
      continue;
    if (gd[i] < first_free)
      return log_fail (VIX_E_DISK_INVALIDDISK,
                       "%s: the image is damaged: grain table %" PRIu32
                       " is said to lie in the header",
                       file->path, i);
    if (is_on_directory (s, gd[i], s->header.gd_sector)
        || is_on_directory (s, gd[i], s->header.rgd_sector))
      return log_fail (VIX_E_DISK_INVALIDDISK,
                       "%s: the image is damaged: grain table %" PRIu32
                       " is said to lie in a grain directory",
                       file->path, i);
    if (end > file->size)
      return log_fail (VIX_E_DISK_INVALIDDISK,
                       "%s: the file is truncated: grain table %" PRIu32
                       " lies behind its %" PRIu64 " bytes",
                       file->path, i, file->size);
  }
  return VIX_OK;
}

/* Checks count tables that begin with gd_index; *last becomes the highest
 * grain sector seen.
 */
static VixError
check_tables (struct sparse *s, uint32_t gd_index, uint32_t count,
              uint32_t *gtes, uint64_t *last)
{
  uint64_t grain = (uint64_t)gd_index * GTES_PER_TABLE;
  uint64_t nr_grains = (s->header.capacity + s->header.grain_sectors - 1)
                       / s->header.grain_sectors;
  uint64_t sector;
  VixError err;

  err = file_read (s->extent.file, gtes, (uint64_t)count * TABLE_BYTES,
                   (uint64_t)s->gd[gd_index] * VIXDISKLIB_SECTOR_SIZE);
  for (uint32_t i = 0;
       err == VIX_OK && i < count * GTES_PER_TABLE && grain < nr_grains;
       i++, grain++) {
    if (gtes[i] == 0)
      continue;
    err = sparse_grain_sector (s, grain, le32toh (gtes[i]), &sector);
    if (sector > *last)
      *last = sector;
  }
  return err;
}

/* How many tables from gd_index on follow each other in the file. */
static uint32_t
count_adjacent (const struct sparse *s, uint32_t gd_index, uint32_t max)
{
  uint32_t n = 1;

  while (n < max && n < TABLES_AT_ONCE && gd_index + n < s->header.gd_entries
         && s->gd[gd_index + n]
                == (uint64_t)s->gd[gd_index] + (uint64_t)n * TABLE_SECTORS)
    n++;
  return n;
}

VixError
sparse_check (struct sparse *s)
{
  uint32_t left = MAX_CHECKED_TABLES;
  uint64_t last = 0;
  uint32_t *gtes;
  uint32_t n;
  VixError err;

  err = check_directory (s, s->gd);
  if (err == VIX_OK && s->rgd)
    err = check_directory (s, s->rgd);
  if (err != VIX_OK)
    return err;
  gtes = malloc ((size_t)TABLES_AT_ONCE * TABLE_BYTES);
  if (!gtes)
    return VIX_E_OUT_OF_MEMORY;
  for (uint32_t i = 0; err == VIX_OK && left > 0 && i < s->header.gd_entries;
       i += n) {
    n = 1;
    if (s->gd[i] == 0)
      continue;
    n = count_adjacent (s, i, left);
    left -= n;
    err = check_tables (s, i, n, gtes, &last);
  }
  free (gtes);
  if (err == VIX_OK && s->stream && last != 0)
    err = stream_check (s, last);
  return err;
}
