/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The header of a COWD extent.  A field that passed these checks is safe to
 * compute with: sectors fit the file and 32 bits.
 */
#include "cowd.h"

#include <inttypes.h>

#include "bytes.h"
#include "header.h"
#include "log.h"

#define MAGIC "COWD"

bool
cowd_header_detect (const uint8_t *raw, size_t length)
{
  return length >= 4 && memcmp (raw, MAGIC, 4) == 0;
}

static const struct header_kind kind
    = { "COWD", COWD_HEADER_BYTES, cowd_header_detect };

static VixError
damaged (const struct file *file, const char *what)
{
  return header_damaged (file, &kind, what);
}

static VixError
check (const struct file *file, const struct cowd_header *h)
{
  uint64_t per_table, needed, gd_end;

  if (h->version != 1)
    return log_fail (VIX_E_DISK_UNSUPPORTEDDISKVERSION,
                     "%s: version %" PRIu32
                     " of the COWD format is not supported by the built-in "
                     "engine, only 1",
                     file->path, h->version);
  if (h->capacity == 0)
    return damaged (file, "the capacity is 0");
  if (!header_grain_is_sane (h->grain_sectors, 1))
    return damaged (file, "the grain size is not a power of two up to 2 MiB");
  per_table = (uint64_t)h->grain_sectors * COWD_GTES_PER_TABLE;
  needed = (h->capacity + per_table - 1) / per_table;
  if (h->gd_entries < needed)
    return damaged (file, "the grain directory is shorter than the disk");
  if (h->gd_sector < COWD_HEADER_BYTES / VIXDISKLIB_SECTOR_SIZE)
    return damaged (file, "the grain directory lies in the header");
  gd_end = (uint64_t)h->gd_sector * VIXDISKLIB_SECTOR_SIZE + needed * 4;
  if (gd_end > file->size)
    return header_truncated (file, "its grain directory ends behind that");
  return VIX_OK;
}

VixError
cowd_header_read (struct file *file, struct cowd_header *h)
{
  uint8_t raw[COWD_HEADER_BYTES];
  VixError err = header_read (file, &kind, raw);

  if (err != VIX_OK)
    return err;
  *h = (struct cowd_header){
    .version = get32 (raw + 4),
    .flags = get32 (raw + 8),
    .capacity = get32 (raw + 12),
    .grain_sectors = get32 (raw + 16),
    .gd_sector = get32 (raw + 20),
    .gd_entries = get32 (raw + 24),
    .free_sector = get32 (raw + 28),
    .unclean = get32 (raw + COWD_UNCLEAN_BYTE),
  };
  return check (file, h);
}

void
cowd_header_encode (const struct cowd_header *h, uint8_t *raw)
{
  memset (raw, 0, COWD_HEADER_BYTES);
  memcpy (raw, MAGIC, 4);
  put32 (raw + 4, h->version);
  put32 (raw + 8, h->flags);
  put32 (raw + 12, h->capacity);
  put32 (raw + 16, h->grain_sectors);
  put32 (raw + 20, h->gd_sector);
  put32 (raw + 24, h->gd_entries);
  put32 (raw + 28, h->free_sector);
  put32 (raw + COWD_UNCLEAN_BYTE, h->unclean);
}
