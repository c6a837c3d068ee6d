/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The header of a hosted sparse extent.  A field that passed these checks is
 * safe to compute with: sectors fit the file, counts fit 32 bits, and header,
 * descriptor and directories do not overlap.
 */
#include "sparse-header.h"

#include <inttypes.h>
#include <string.h>

#include "bytes.h"
#include "config.h"
#include "descriptor.h"
#include "header.h"
#include "log.h"

#define MAGIC    "KDMV"
#define NEWLINES "\n \r\n"

/* Before the end of a stream: footer marker, footer, end marker. */
#define FOOTER_MARKER_FROM_END (3 * VIXDISKLIB_SECTOR_SIZE)
#define FOOTER_FROM_END        (2 * VIXDISKLIB_SECTOR_SIZE)
#define MARKER_FOOTER          3

bool
sparse_header_detect (const uint8_t *raw, size_t length)
{
  return length >= SPARSE_HEADER_BYTES && memcmp (raw, MAGIC, 4) == 0;
}

/* The offsets are the format's: packed, little endian. */
static void
decode (const uint8_t *raw, struct sparse_header *h)
{
  *h = (struct sparse_header){
    .version = get32 (raw + 4),
    .flags = get32 (raw + 8),
    .capacity = get64 (raw + 12),
    .grain_sectors = get64 (raw + 20),
    .descriptor_sector = get64 (raw + 28),
    .descriptor_sectors = get64 (raw + 36),
    .nr_gtes = get32 (raw + 44),
    .rgd_sector = get64 (raw + 48),
    .gd_sector = get64 (raw + 56),
    .overhead = get64 (raw + 64),
    .unclean = raw[SPARSE_UNCLEAN_BYTE] != 0,
    .newlines_intact = memcmp (raw + 73, NEWLINES, 4) == 0,
    .compression = get16 (raw + 77),
  };
}

void
sparse_header_encode (const struct sparse_header *h, uint8_t *raw)
{
  memset (raw, 0, SPARSE_HEADER_BYTES);
  memcpy (raw, MAGIC, 4);
  put32 (raw + 4, h->version);
  put32 (raw + 8, h->flags);
  put64 (raw + 12, h->capacity);
  put64 (raw + 20, h->grain_sectors);
  put64 (raw + 28, h->descriptor_sector);
  put64 (raw + 36, h->descriptor_sectors);
  put32 (raw + 44, h->nr_gtes);
  put64 (raw + 48, h->rgd_sector);
  put64 (raw + 56, h->gd_sector);
  put64 (raw + 64, h->overhead);
  raw[SPARSE_UNCLEAN_BYTE] = h->unclean;
  memcpy (raw + 73, NEWLINES, sizeof NEWLINES - 1);
  put16 (raw + 77, h->compression);
}

static const struct header_kind kind
    = { "sparse", SPARSE_HEADER_BYTES, sparse_header_detect };

static VixError
damaged (const struct file *file, const char *what)
{
  return header_damaged (file, &kind, what);
}

static VixError
read_footer (struct file *file, struct sparse_header *h, bool *missing)
{
  uint8_t raw[2 * VIXDISKLIB_SECTOR_SIZE];
  VixError err;

  *missing = true;
  if (file->size < SPARSE_HEADER_BYTES + FOOTER_MARKER_FROM_END
      || file->size % VIXDISKLIB_SECTOR_SIZE != 0)
    return VIX_OK;
  err = file_read (file, raw, sizeof raw, file->size - FOOTER_MARKER_FROM_END);
  if (err != VIX_OK)
    return err;
  if (get32 (raw + 8) != 0 || get32 (raw + 12) != MARKER_FOOTER
      || !sparse_header_detect (raw + VIXDISKLIB_SECTOR_SIZE,
                                SPARSE_HEADER_BYTES))
    return VIX_OK;
  *missing = false;
  decode (raw + VIXDISKLIB_SECTOR_SIZE, h);
  if (h->gd_sector == SPARSE_GD_AT_END)
    return damaged (file, "the footer has no grain directory");
  return VIX_OK;
}

static VixError
check_kind (const struct file *file, const struct sparse_header *h, bool at_end)
{
  if (h->version < 1 || h->version > 3)
    return log_fail (VIX_E_DISK_UNSUPPORTEDDISKVERSION,
                     "%s: version %" PRIu32
                     " of the sparse format is not supported by the built-in "
                     "engine, only 1 to 3",
                     file->path, h->version);
  if ((h->flags & SPARSE_NEWLINE_TEST) && !h->newlines_intact)
    return damaged (file, "line ends were changed, probably by a transfer as "
                          "text; copy it again as binary");
  if (h->flags & SPARSE_COMPRESSED) {
    if (h->compression != 1)
      return log_fail (VIX_E_DISK_NOTSUPPORTED,
                       "%s: compression method %u is not supported by the "
                       "built-in engine, only 1 (deflate)",
                       file->path, h->compression);
    if (!(h->flags & SPARSE_MARKERS))
      return log_fail (VIX_E_DISK_NOTSUPPORTED,
                       "%s: compressed grains without markers are not "
                       "supported by the built-in engine",
                       file->path);
  }
  if (!file->writable)
    return VIX_OK;
  if ((h->flags & SPARSE_COMPRESSED) && at_end)
    return VIX_OK;
  if (h->flags & SPARSE_COMPRESSED)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: this streamOptimized file can't be written, because "
                     "its directory lies in front; use -r to open it "
                     "read-only, or convert it first",
                     file->path);
  if (h->version == 3)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: version 3 of the sparse format (changed block "
                     "tracking) can't be written by the built-in engine; use "
                     "-r to open it read-only",
                     file->path);
  if (at_end)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: a sparse file that ends with a footer can't be "
                     "written by the built-in engine, it would bury it; use "
                     "-r to open it read-only",
                     file->path);
  if (h->flags & ~SPARSE_KNOWN_FLAGS)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: the header has unknown flags (0x%" PRIx32
                     "), so the built-in engine does not write to it; use -r "
                     "to open it read-only",
                     file->path, h->flags);
  return VIX_OK;
}

static VixError
check_sizes (const struct file *file, struct sparse_header *h)
{
  uint64_t per_table;

  if (!header_grain_is_sane (h->grain_sectors, MIN_GRAIN_SECTORS))
    return damaged (file, "the grain size is not a power of two from 4 KiB "
                          "to 2 MiB");
  if (h->nr_gtes != GTES_PER_TABLE)
    return damaged (file, "a grain table must have 512 entries");
  if (h->capacity == 0 || h->capacity > MAX_DISK_SECTORS)
    return damaged (file, "the capacity is 0 or more than 64 TiB");
  per_table = h->grain_sectors * GTES_PER_TABLE;
  if (h->capacity / per_table >= MAX_GD_ENTRIES)
    return damaged (file, "the grain directory is longer than 4194304 entries");
  h->gd_entries = (uint32_t)((h->capacity + per_table - 1) / per_table);
  if (h->overhead == 0)
    return damaged (file, "the size of its metadata is 0");
  return VIX_OK;
}

struct area {
  uint64_t sector;
  uint64_t nr_sectors;
};

/* Header, descriptor and directories must lie inside the file and apart. */
static VixError
check_areas (const struct file *file, const struct sparse_header *h)
{
  uint64_t gd_bytes = (uint64_t)h->gd_entries * 4;
  uint64_t gd_sectors
      = (gd_bytes + VIXDISKLIB_SECTOR_SIZE - 1) / VIXDISKLIB_SECTOR_SIZE;
  uint64_t file_sectors = file->size / VIXDISKLIB_SECTOR_SIZE
                          + (file->size % VIXDISKLIB_SECTOR_SIZE != 0);
  const struct area areas[] = {
    { 0, 1 },
    { h->descriptor_sector, h->descriptor_sectors },
    { h->rgd_sector, h->rgd_sector ? gd_sectors : 0 },
    { h->gd_sector, h->unfinished ? 0 : gd_sectors },
  };
  const size_t nr_areas = sizeof areas / sizeof areas[0];

  for (size_t i = 0; i < nr_areas; i++) {
    const struct area *a = &areas[i];

    if (a->nr_sectors == 0)
      continue;
    if (a->sector > file_sectors || a->nr_sectors > file_sectors - a->sector)
      return header_truncated (file,
                               "its header refers to metadata behind that");
    /* Else a grain could lie on it, and be written. */
    if (file->writable && a->sector + a->nr_sectors > h->overhead
        && !(h->flags & SPARSE_COMPRESSED))
      return damaged (file, "it says that metadata is shorter than it is");
    for (size_t j = 0; j < i; j++) {
      const struct area *b = &areas[j];

      if (b->nr_sectors > 0 && a->sector < b->sector + b->nr_sectors
          && b->sector < a->sector + a->nr_sectors)
        return damaged (file, "parts of its metadata overlap");
    }
  }
  if (h->overhead > file_sectors)
    return header_truncated (file, "its header says that metadata is longer");
  if (h->descriptor_sectors > MAX_DESCRIPTOR_BYTES / VIXDISKLIB_SECTOR_SIZE)
    return damaged (file, "the descriptor is larger than 1 MiB");
  if ((h->flags & SPARSE_REDUNDANT) && h->rgd_sector == 0)
    return damaged (file, "the redundant grain directory is missing");
  return VIX_OK;
}

VixError
sparse_header_read (struct file *file, struct sparse_header *h)
{
  uint8_t raw[SPARSE_HEADER_BYTES];
  struct sparse_header first;
  bool at_end;
  VixError err;

  err = header_read (file, &kind, raw);
  if (err != VIX_OK)
    return err;
  decode (raw, h);
  at_end = h->gd_sector == SPARSE_GD_AT_END;
  if (at_end) {
    first = *h;
    err = read_footer (file, h, &first.unfinished);
    if (err != VIX_OK)
      return err;
    if (first.unfinished
        && (!(first.flags & SPARSE_COMPRESSED)
            || (!file->writable && !config.read_truncated)))
      return header_truncated (file, "the footer of the stream is missing");
    if (first.unfinished)
      h->gd_sector = 0;
    /* A footer knows where the directory is; the rest stays the header's. */
    first.gd_sector = h->gd_sector;
    *h = first;
    h->rgd_sector = 0;
    h->flags &= ~SPARSE_REDUNDANT;
  }
  err = check_kind (file, h, at_end);
  if (err == VIX_OK)
    err = check_sizes (file, h);
  if (err == VIX_OK)
    err = check_areas (file, h);
  return err;
}
