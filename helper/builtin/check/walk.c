/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Going through everything in a sparse extent.  Reads the file itself and not
 * what is cached of it.
 */
#include "walk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "areas.h"

struct walk {
  struct sparse *s;
  struct extent_report *out;
  struct areas areas;
  struct table *table;
  uint8_t *copy;
  uint32_t *rgd; /* NULL if there is none */
  uint64_t differ;
};

static const char *
path_of (const struct walk *w)
{
  return w->s->extent.file->path;
}

/* Whether the table lies in the file; else it is reported. */
static bool
has_table (const struct walk *w, uint32_t gd_index, uint32_t gde,
           const char *which)
{
  uint64_t sector = w->s->format->table_sector (w->s, gde);
  uint64_t end = (sector + table_sectors (w->s)) * VIXDISKLIB_SECTOR_SIZE;

  if (sector > 0 && end <= w->s->extent.file->size)
    return true;
  report_add (FINDING_CORRUPTION,
              "%s: %s grain table %" PRIu32 " lies outside of the file",
              path_of (w), which, gd_index);
  return false;
}

static VixError
add_grain (struct walk *w, uint64_t grain, uint64_t sector)
{
  const struct sparse *s = w->s;
  const struct file *file = s->extent.file;

  if (s->stream) {
    report_warnings_as (FINDING_CORRUPTION);
    stream_check (w->s, sector);
    return areas_add (&w->areas, sector, 1, true);
  }
  if ((sector + grain_length (s, grain)) * VIXDISKLIB_SECTOR_SIZE > file->size)
    return VIX_OK; /* has been reported */
  return areas_add (&w->areas, sector, s->grain_sectors, true);
}

static VixError
walk_entries (struct walk *w)
{
  struct sparse *s = w->s;
  const uint32_t per_table = s->format->entries_per_table;
  uint64_t grain = (uint64_t)w->table->gd_index * per_table;
  uint64_t end = count_grains (s);
  VixError err = VIX_OK;

  if (end > grain + per_table)
    end = grain + per_table;
  for (uint32_t i = 0; err == VIX_OK && grain < end; i++, grain++) {
    uint64_t entry = tables_entry (s, w->table, i);
    uint64_t length = grain_length (s, grain);
    struct place place = { .kind = SPAN_ABSENT };

    /* What is wrong with it, the engine says. */
    if (entry != 0 && s->format->place (s, grain, entry, &place) != VIX_OK)
      continue;
    if (place.kind == SPAN_DATA) {
      w->out->data_sectors += length;
      err = add_grain (w, grain, place.sector);
    }
    else if (place.kind == SPAN_ZERO)
      w->out->zero_sectors += length;
    else
      w->out->absent_sectors += length;
  }
  return err;
}

static VixError
compare_copies (struct walk *w, uint32_t gd_index)
{
  struct sparse *s = w->s;
  uint32_t rgde = w->rgd[gd_index];
  VixError err;

  if ((rgde == 0) != (s->gd[gd_index] == 0)) {
    w->differ++;
    return VIX_OK;
  }
  if (rgde == 0 || !has_table (w, gd_index, rgde, "redundant"))
    return VIX_OK;
  err = areas_add (&w->areas, rgde, table_sectors (s), false);
  if (err == VIX_OK)
    err = file_read (s->extent.file, w->copy, table_bytes (s),
                     (uint64_t)rgde * VIXDISKLIB_SECTOR_SIZE);
  if (err == VIX_OK && memcmp (w->copy, w->table->raw, table_bytes (s)) != 0)
    w->differ++;
  return err;
}

static VixError
walk_table (struct walk *w, uint32_t gd_index)
{
  struct sparse *s = w->s;
  uint64_t per_table = s->grain_sectors * s->format->entries_per_table;
  uint64_t start = gd_index * per_table;
  uint64_t sector;
  VixError err;

  w->table->gd_index = gd_index;
  memset (w->table->raw, 0, table_bytes (s));
  if (s->gd[gd_index] == 0) {
    w->out->absent_sectors
        += s->capacity - start < per_table ? s->capacity - start : per_table;
    return w->rgd ? compare_copies (w, gd_index) : VIX_OK;
  }
  if (!has_table (w, gd_index, s->gd[gd_index], "primary"))
    return VIX_OK;
  sector = s->format->table_sector (s, s->gd[gd_index]);
  err = file_read (s->extent.file, w->table->raw, table_bytes (s),
                   sector * VIXDISKLIB_SECTOR_SIZE);
  if (err == VIX_OK)
    err = areas_add (&w->areas, sector, table_sectors (s), false);
  if (err == VIX_OK)
    err = walk_entries (w);
  if (err == VIX_OK && w->rgd)
    err = compare_copies (w, gd_index);
  return err;
}

/* The redundant directory, which a read-only engine does not load. */
static VixError
load_redundant (struct walk *w)
{
  const struct sparse *s = w->s;
  uint64_t sector = s->header.rgd_sector;
  VixError err;

  if (sector == 0)
    return VIX_OK;
  w->rgd = malloc (s->gd_entries * sizeof *w->rgd);
  if (!w->rgd)
    return VIX_E_OUT_OF_MEMORY;
  err = file_read (s->extent.file, w->rgd, s->gd_entries * sizeof *w->rgd,
                   sector * VIXDISKLIB_SECTOR_SIZE);
  for (uint32_t i = 0; err == VIX_OK && i < s->gd_entries; i++)
    w->rgd[i] = le32toh (w->rgd[i]);
  return err;
}

static VixError
add_directories (struct walk *w)
{
  const struct sparse *s = w->s;
  uint64_t entry_bytes = s->tables_sector ? 8 : 4;
  uint64_t sectors = (s->gd_entries * entry_bytes + VIXDISKLIB_SECTOR_SIZE - 1)
                     / VIXDISKLIB_SECTOR_SIZE;
  VixError err = areas_add (&w->areas, s->gd_sector, sectors, false);

  if (err == VIX_OK && w->rgd)
    err = areas_add (&w->areas, s->header.rgd_sector, sectors, false);
  return err;
}

static void
judge (struct walk *w)
{
  const struct sparse *s = w->s;
  uint64_t end = s->extent.file->size / VIXDISKLIB_SECTOR_SIZE;
  uint64_t unused = areas_judge (&w->areas, path_of (w), s->min_grain_sector,
                                 end, s->grain_sectors);

  if (w->differ > 0)
    report_add (s->unclean ? FINDING_REPAIRABLE : FINDING_CORRUPTION,
                "%s: %" PRIu64 " redundant grain tables differ from the primary"
                " ones",
                path_of (w), w->differ);
  if (s->unclean)
    report_add (FINDING_NOTE, "%s: its last writer did not close it",
                path_of (w));
  /* Streams and seSparse files have room for other things. */
  if (s->stream || s->tables_sector)
    return;
  w->out->leaked_sectors = unused;
  if (unused > 0)
    report_add (FINDING_LEAK, "%s: %" PRIu64 " sectors are used by nothing",
                path_of (w), unused);
}

VixError
walk_sparse (struct sparse *s, struct extent_report *out)
{
  struct walk w = { .s = s, .out = out };
  VixError err;

  w.table = calloc (1, sizeof *w.table + table_bytes (s));
  w.copy = malloc (table_bytes (s));
  err = w.table && w.copy ? load_redundant (&w) : VIX_E_OUT_OF_MEMORY;
  report_warnings_as (FINDING_CORRUPTION);
  if (err == VIX_OK)
    err = add_directories (&w);
  for (uint32_t i = 0; err == VIX_OK && i < s->gd_entries; i++)
    err = walk_table (&w, i);
  if (err == VIX_OK)
    judge (&w);
  areas_free (&w.areas);
  free (w.rgd);
  free (w.copy);
  free (w.table);
  return err;
}
