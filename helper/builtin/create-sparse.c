/* SPDX-License-Identifier: BSD-3-Clause
 *
 * New sparse files: hosted ("KDMV"), streamOptimized and COWD.  A hosted one
 * has all its grain tables from the beginning, as VMware and QEMU make them.
 */
#include "create.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "cowd.h"
#include "sparse-header.h"
#include "stream-format.h"

#define GRAIN_SECTORS      128
#define DESCRIPTOR_SECTORS 20

/* Directories are written in pieces of this many entries. */
#define ENTRIES_AT_ONCE 4096

/* Where the parts of a hosted sparse file lie, in sectors. */
struct layout {
  uint64_t nr_tables;
  uint64_t directory_sectors;
  uint64_t rgd_sector;
  uint64_t gd_sector;
  uint64_t overhead;
};

static uint64_t
round_up (uint64_t n, uint64_t to)
{
  return (n + to - 1) / to * to;
}

static struct layout
lay_out (uint64_t capacity, bool embedded)
{
  const uint64_t per_table = (uint64_t)GRAIN_SECTORS * GTES_PER_TABLE;
  struct layout l;
  uint64_t copy_sectors;

  l.nr_tables = (capacity + per_table - 1) / per_table;
  l.directory_sectors = round_up (l.nr_tables * 4, VIXDISKLIB_SECTOR_SIZE)
                        / VIXDISKLIB_SECTOR_SIZE;
  copy_sectors = l.directory_sectors + l.nr_tables * TABLE_SECTORS;
  l.rgd_sector = embedded ? 1 + DESCRIPTOR_SECTORS : 1;
  l.gd_sector = l.rgd_sector + copy_sectors;
  l.overhead = round_up (l.gd_sector + copy_sectors, GRAIN_SECTORS);
  return l;
}

uint64_t
create_sparse_overhead (uint64_t capacity, bool embedded)
{
  return lay_out (capacity, embedded).overhead;
}

/* A directory whose tables follow it. */
static VixError
put_directory (struct file *file, const struct layout *l, uint64_t sector)
{
  uint32_t entries[ENTRIES_AT_ONCE];
  uint64_t table = sector + l->directory_sectors;
  VixError err = VIX_OK;
  uint64_t n;

  for (uint64_t i = 0; err == VIX_OK && i < l->nr_tables; i += n) {
    n = l->nr_tables - i < ENTRIES_AT_ONCE ? l->nr_tables - i : ENTRIES_AT_ONCE;
    for (uint64_t j = 0; j < n; j++, table += TABLE_SECTORS)
      entries[j] = htole32 ((uint32_t)table);
    err = file_write (file, entries, n * 4,
                      sector * VIXDISKLIB_SECTOR_SIZE + i * 4);
  }
  return err;
}

static VixError
put_hosted (struct file *file, const struct new_sparse *sparse,
            const struct sparse_header *h)
{
  uint8_t raw[SPARSE_HEADER_BYTES];
  VixError err;

  err = file_resize (file, h->overhead * VIXDISKLIB_SECTOR_SIZE);
  if (err == VIX_OK && sparse->text)
    err = file_write (file, sparse->text, strlen (sparse->text),
                      VIXDISKLIB_SECTOR_SIZE);
  sparse_header_encode (h, raw);
  if (err == VIX_OK)
    err = file_write (file, raw, sizeof raw, 0);
  return err;
}

VixError
create_sparse (struct file *file, const struct new_sparse *sparse)
{
  struct layout l = lay_out (sparse->capacity, sparse->text != NULL);
  struct sparse_header h = {
    .version = 1,
    .flags = SPARSE_NEWLINE_TEST | SPARSE_REDUNDANT,
    .capacity = sparse->capacity,
    .grain_sectors = GRAIN_SECTORS,
    .descriptor_sector = sparse->text ? 1 : 0,
    .descriptor_sectors = sparse->text ? DESCRIPTOR_SECTORS : 0,
    .nr_gtes = GTES_PER_TABLE,
    .rgd_sector = l.rgd_sector,
    .gd_sector = l.gd_sector,
    .overhead = l.overhead,
  };
  VixError err;

  if (sparse->stream) {
    h.version = 3;
    h.flags = SPARSE_NEWLINE_TEST | SPARSE_COMPRESSED | SPARSE_MARKERS;
    h.compression = SPARSE_DEFLATE;
    h.rgd_sector = 0;
    h.gd_sector = SPARSE_GD_AT_END;
    h.overhead = GRAIN_SECTORS;
    err = put_hosted (file, sparse, &h);
    if (err == VIX_OK)
      err = stream_put_empty_end (file, &h);
    return err;
  }
  err = put_hosted (file, sparse, &h);
  if (err == VIX_OK)
    err = put_directory (file, &l, l.rgd_sector);
  if (err == VIX_OK)
    err = put_directory (file, &l, l.gd_sector);
  return err;
}

/* The grain of ESXi's redo logs: one sector. */
VixError
create_cowd (struct file *file, uint64_t capacity)
{
  const struct cowd_header h = {
    .version = 1,
    .flags = 3,
    .capacity = (uint32_t)capacity,
    .grain_sectors = 1,
    .gd_sector = COWD_HEADER_BYTES / VIXDISKLIB_SECTOR_SIZE,
    .gd_entries
    = (uint32_t)((capacity + COWD_GTES_PER_TABLE - 1) / COWD_GTES_PER_TABLE),
  };
  uint8_t raw[COWD_HEADER_BYTES];
  struct cowd_header sized = h;
  uint64_t end = round_up (COWD_HEADER_BYTES + (uint64_t)h.gd_entries * 4,
                           VIXDISKLIB_SECTOR_SIZE);
  VixError err;

  sized.free_sector = (uint32_t)(end / VIXDISKLIB_SECTOR_SIZE);
  cowd_header_encode (&sized, raw);
  err = file_resize (file, end);
  if (err == VIX_OK)
    err = file_write (file, raw, sizeof raw, 0);
  return err;
}
