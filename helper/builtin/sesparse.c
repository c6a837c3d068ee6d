/* SPDX-License-Identifier: BSD-3-Clause
 *
 * seSparse extents: 64-bit tables of 4096 entries whose top four bits say what
 * a grain is, and whose number is kept with its high and low bits changed
 * over.  Read-only: writing would need its journal, which nobody describes.
 */
#include "sesparse.h"

#include <inttypes.h>
#include <stdlib.h>

#include "bytes.h"
#include "log.h"
#include "sparse.h"

enum { TYPE_ABSENT = 0, TYPE_UNMAPPED = 1, TYPE_ZERO = 2, TYPE_DATA = 3 };

/* Of a directory entry: a table is there. */
#define GDE_PRESENT UINT64_C (0x1000000000000000)

static VixError
bad_entry (const struct sparse *s, uint64_t grain, uint64_t entry)
{
  return log_fail (VIX_E_DISK_INVALIDDISK,
                   "%s: the image is damaged: the table entry of grain %" PRIu64
                   " is 0x%" PRIx64,
                   s->extent.file->path, grain, entry);
}

static VixError
sesparse_place (const struct sparse *s, uint64_t grain, uint64_t entry,
                struct place *place)
{
  uint64_t number = (entry & UINT64_C (0x0fff000000000000)) >> 48
                    | (entry & UINT64_C (0x0000ffffffffffff)) << 12;

  switch (entry >> 60) {
  case TYPE_UNMAPPED:
  case TYPE_ZERO:
    *place = (struct place){ .kind = SPAN_ZERO };
    return VIX_OK;
  case TYPE_DATA:
    if (number > MAX_DISK_SECTORS)
      return bad_entry (s, grain, entry);
    return sparse_place (
        s, grain, s->grains_sector + number * SESPARSE_GRAIN_SECTORS, place);
  default:
    return bad_entry (s, grain, entry);
  }
}

/* The directory in memory has the number of a table, plus 1. */
static uint64_t
sesparse_table_sector (const struct sparse *s, uint32_t entry)
{
  return s->tables_sector + (uint64_t)(entry - 1) * SESPARSE_TABLE_SECTORS;
}

static VixError
sesparse_mark (struct sparse *s __attribute__ ((unused)),
               bool unclean __attribute__ ((unused)))
{
  return VIX_E_NOT_SUPPORTED;
}

static const struct sparse_format sesparse_format = {
  .entry_bytes = 8,
  .entries_per_table = SESPARSE_GTES_PER_TABLE,
  .place = sesparse_place,
  .table_sector = sesparse_table_sector,
  .mark = sesparse_mark,
};

static VixError
load_directory (struct sparse *s)
{
  size_t n = s->gd_entries;
  uint8_t *raw = malloc (n * 8);
  VixError err = VIX_E_OUT_OF_MEMORY;

  s->gd = calloc (n, sizeof *s->gd);
  if (raw && s->gd)
    err = file_read (s->extent.file, raw, n * 8,
                     s->gd_sector * VIXDISKLIB_SECTOR_SIZE);
  for (size_t i = 0; err == VIX_OK && i < n; i++) {
    uint64_t entry = get64 (raw + i * 8);

    if (entry == 0)
      continue;
    if ((entry & UINT64_C (0xffffffff00000000)) != GDE_PRESENT
        || (entry & UINT32_MAX) >= s->nr_tables)
      err = log_fail (VIX_E_DISK_INVALIDDISK,
                      "%s: the image is damaged: entry %zu of the grain "
                      "directory is 0x%" PRIx64,
                      s->extent.file->path, i, entry);
    else
      s->gd[i] = (uint32_t)entry + 1;
  }
  free (raw);
  return err;
}

VixError
sesparse_open (struct file *file, uint64_t nr_sectors, struct extent **out)
{
  const uint64_t per_table
      = (uint64_t)SESPARSE_GRAIN_SECTORS * SESPARSE_GTES_PER_TABLE;
  struct sparse *s;
  struct sesparse_header h;
  VixError err;

  if (file->writable)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: seSparse files can't be written by the built-in "
                     "engine; use -r to open the disk read-only",
                     file->path);
  err = sesparse_header_read (file, &h);
  if (err != VIX_OK)
    return err;
  s = sparse_new (&sesparse_format, file, nr_sectors);
  if (!s)
    return VIX_E_OUT_OF_MEMORY;
  s->capacity = h.capacity;
  s->grain_sectors = SESPARSE_GRAIN_SECTORS;
  s->gd_entries = (uint32_t)((h.capacity + per_table - 1) / per_table);
  s->gd_sector = h.gd_sector;
  s->tables_sector = h.tables_sector;
  s->nr_tables = h.tables_sectors / SESPARSE_TABLE_SECTORS;
  if (s->nr_tables > UINT32_MAX - 1)
    s->nr_tables = UINT32_MAX - 1;
  s->grains_sector = h.grains_sector;
  s->min_grain_sector = h.grains_sector;
  err = load_directory (s);
  if (err != VIX_OK) {
    sparse_free (s);
    return err;
  }
  return sparse_open (s, out);
}
