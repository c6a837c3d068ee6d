/* SPDX-License-Identifier: BSD-3-Clause
 *
 * COWD extents (vmfsSparse): 32-bit tables of 4096 entries, each table made
 * when it is needed.
 */
#include "bytes.h"
#include "cowd.h"
#include "sparse.h"

static VixError
cowd_place (const struct sparse *s, uint64_t grain, uint64_t entry,
            struct place *place)
{
  return sparse_place (s, grain, entry, place);
}

static uint64_t
cowd_table_sector (const struct sparse *s __attribute__ ((unused)),
                   uint32_t entry)
{
  return entry;
}

/* With it goes the sector that comes next, which is right when it is closed. */
static VixError
cowd_mark (struct sparse *s, bool unclean)
{
  uint8_t raw[4];
  VixError err;

  put32 (raw, unclean);
  err = file_write (s->extent.file, raw, sizeof raw, COWD_UNCLEAN_BYTE);
  if (err != VIX_OK || unclean)
    return err;
  put32 (raw, (uint32_t)s->end);
  return file_write (s->extent.file, raw, sizeof raw, COWD_FREE_SECTOR_BYTE);
}

static const struct sparse_format cowd_format = {
  .entry_bytes = 4,
  .entries_per_table = COWD_GTES_PER_TABLE,
  .place = cowd_place,
  .table_sector = cowd_table_sector,
  .mark = cowd_mark,
};

VixError
cowd_open (struct file *file, uint64_t nr_sectors, struct extent **out)
{
  struct sparse *s = sparse_new (&cowd_format, file, nr_sectors);
  struct cowd_header h;
  uint64_t gd_sectors, per_table;
  VixError err;

  if (!s)
    return VIX_E_OUT_OF_MEMORY;
  err = cowd_header_read (file, &h);
  if (err != VIX_OK) {
    sparse_free (s);
    return err;
  }
  s->capacity = h.capacity;
  s->grain_sectors = h.grain_sectors;
  per_table = s->grain_sectors * COWD_GTES_PER_TABLE;
  s->gd_entries = (uint32_t)((s->capacity + per_table - 1) / per_table);
  gd_sectors = ((uint64_t)s->gd_entries * 4 + VIXDISKLIB_SECTOR_SIZE - 1)
               / VIXDISKLIB_SECTOR_SIZE;
  s->gd_sector = h.gd_sector;
  s->min_grain_sector = h.gd_sector + gd_sectors;
  s->unclean = h.unclean != 0;
  return sparse_open (s, out);
}
