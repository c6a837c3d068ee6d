/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hosted sparse extents ("KDMV"): monolithicSparse, twoGbMaxExtentSparse and
 * streamOptimized.  32-bit tables of 512 entries, in two copies.
 */
#include <stdlib.h>

#include "sparse.h"

static VixError
hosted_place (const struct sparse *s, uint64_t grain, uint64_t entry,
              struct place *place)
{
  if (entry != GTE_ZEROED || !s->zeroed_grains)
    return sparse_place (s, grain, entry, place);
  *place = (struct place){ .kind = SPAN_ZERO };
  return VIX_OK;
}

static uint64_t
hosted_table_sector (const struct sparse *s __attribute__ ((unused)),
                     uint32_t entry)
{
  return entry;
}

static VixError
hosted_mark (struct sparse *s, bool unclean)
{
  uint8_t byte = unclean;

  return file_write (s->extent.file, &byte, 1, SPARSE_UNCLEAN_BYTE);
}

static const struct sparse_format hosted_format = {
  .entry_bytes = 4,
  .entries_per_table = GTES_PER_TABLE,
  .place = hosted_place,
  .table_sector = hosted_table_sector,
  .mark = hosted_mark,
};

VixError
hosted_open (struct file *file, uint64_t nr_sectors, struct extent **out)
{
  struct sparse *s = sparse_new (&hosted_format, file, nr_sectors);
  struct sparse_header *h;
  VixError err;

  if (!s)
    return VIX_E_OUT_OF_MEMORY;
  h = &s->header;
  err = sparse_header_read (file, h);
  if (err == VIX_OK) {
    s->capacity = h->capacity;
    s->grain_sectors = h->grain_sectors;
    s->gd_sector = h->gd_sector;
    s->gd_entries = h->gd_entries;
    s->rgd_sector = file->writable ? h->rgd_sector : 0;
    s->zeroed_grains = h->flags & SPARSE_ZEROED_GRAINS;
    s->unclean = h->unclean;
    s->min_grain_sector = h->overhead;
  }
  if (err == VIX_OK && (h->flags & SPARSE_COMPRESSED)) {
    s->min_grain_sector = h->descriptor_sector + h->descriptor_sectors;
    err = stream_open (s);
  }
  if (s->min_grain_sector == 0)
    s->min_grain_sector = 1;
  if (err == VIX_OK && h->unfinished) {
    s->gd = calloc (s->gd_entries, sizeof *s->gd);
    err = s->gd ? VIX_OK : VIX_E_OUT_OF_MEMORY;
  }
  if (err != VIX_OK) {
    sparse_free (s);
    return err;
  }
  err = sparse_open (s, out);
  if (err != VIX_OK || !s->stream)
    return err;
  s->extent.is_slow = true;
  if (h->unfinished)
    err = stream_rebuild (s);
  else if (file->writable)
    err = stream_prepare_write (s);
  if (err != VIX_OK)
    sparse_free (s);
  return err;
}
