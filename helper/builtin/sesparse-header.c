/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The headers of a seSparse extent.  What is not known to mean nothing is
 * refused, not guessed: the format has no public description.
 */
#include "sesparse.h"

#include <inttypes.h>

#include "bytes.h"
#include "descriptor.h"
#include "header.h"
#include "log.h"

#define MAGIC          UINT64_C (0x00000000cafebabe)
#define VOLATILE_MAGIC UINT64_C (0x00000000cafecafe)
#define VERSION        UINT64_C (0x0000000200000001)

/* Bytes of the volatile header that have a meaning. */
#define REPLAY_BYTE 24

bool
sesparse_header_detect (const uint8_t *raw, size_t length)
{
  return length >= 8 && get64 (raw) == MAGIC;
}

static const struct header_kind kind
    = { "seSparse", VIXDISKLIB_SECTOR_SIZE, sesparse_header_detect };

static VixError
damaged (const struct file *file, const char *what)
{
  return header_damaged (file, &kind, what);
}

static VixError
check_constant (const struct file *file, const uint8_t *raw)
{
  if (get64 (raw + 8) != VERSION)
    return log_fail (VIX_E_DISK_UNSUPPORTEDDISKVERSION,
                     "%s: version 0x%" PRIx64
                     " of the seSparse format is not supported by the "
                     "built-in engine, only 0x%" PRIx64,
                     file->path, get64 (raw + 8), VERSION);
  if (get64 (raw + 24) != SESPARSE_GRAIN_SECTORS)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: a seSparse file with grains of %" PRIu64
                     " sectors is not supported, only of 8",
                     file->path, get64 (raw + 24));
  if (get64 (raw + 32) != SESPARSE_TABLE_SECTORS)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: a seSparse file with grain tables of %" PRIu64
                     " sectors is not supported, only of 64",
                     file->path, get64 (raw + 32));
  for (size_t at = 40; at < 80; at += 8)
    if (get64 (raw + at) != 0)
      return log_fail (VIX_E_DISK_NOTSUPPORTED,
                       "%s: the seSparse header has unknown flags (0x%" PRIx64
                       " at byte %zu)",
                       file->path, get64 (raw + at), at);
  return VIX_OK;
}

static VixError
check_area (const struct file *file, uint64_t sector, uint64_t sectors,
            const char *what)
{
  uint64_t file_sectors = file->size / VIXDISKLIB_SECTOR_SIZE;

  if (sector == 0)
    return damaged (file, what);
  if (sector > file_sectors || sectors > file_sectors - sector)
    return header_truncated (file, what);
  return VIX_OK;
}

static VixError
check_volatile (struct file *file, const uint8_t *constant)
{
  uint64_t sector = get64 (constant + 80);
  uint8_t raw[VIXDISKLIB_SECTOR_SIZE];
  VixError err;

  err = check_area (file, sector, 1, "its volatile header lies elsewhere");
  if (err == VIX_OK)
    err = file_read (file, raw, sizeof raw, sector * VIXDISKLIB_SECTOR_SIZE);
  if (err != VIX_OK)
    return err;
  if (get64 (raw) != VOLATILE_MAGIC)
    return damaged (file, "the volatile header has another magic number");
  if (raw[REPLAY_BYTE] != 0)
    return log_fail (VIX_E_DISK_NEEDSREPAIR,
                     "%s: the journal of this seSparse file has changes that "
                     "were never replayed, because its host crashed; let ESXi "
                     "do it (power on the machine once, or clone the disk "
                     "with vmkfstools -i) and copy it again",
                     file->path);
  return VIX_OK;
}

static VixError
check_sizes (const struct file *file, const struct sesparse_header *h)
{
  const uint64_t per_table
      = (uint64_t)SESPARSE_GRAIN_SECTORS * SESPARSE_GTES_PER_TABLE;
  uint64_t nr_tables = (h->capacity + per_table - 1) / per_table;
  uint64_t gd_sectors
      = (nr_tables * 8 + VIXDISKLIB_SECTOR_SIZE - 1) / VIXDISKLIB_SECTOR_SIZE;
  VixError err;

  if (h->gd_sectors < gd_sectors)
    return damaged (file, "the grain directory is shorter than the disk");
  err = check_area (file, h->gd_sector, gd_sectors,
                    "its grain directory lies elsewhere");
  if (err == VIX_OK)
    err = check_area (file, h->tables_sector, 0,
                      "its grain tables lie elsewhere");
  if (err == VIX_OK)
    err = check_area (file, h->grains_sector, 0, "its grains lie elsewhere");
  return err;
}

VixError
sesparse_header_read (struct file *file, struct sesparse_header *h)
{
  uint8_t raw[VIXDISKLIB_SECTOR_SIZE];
  VixError err = header_read (file, &kind, raw);

  if (err != VIX_OK)
    return err;
  err = check_constant (file, raw);
  if (err != VIX_OK)
    return err;
  *h = (struct sesparse_header){
    .capacity = get64 (raw + 16),
    .gd_sector = get64 (raw + 128),
    .gd_sectors = get64 (raw + 136),
    .tables_sector = get64 (raw + 144),
    .tables_sectors = get64 (raw + 152),
    .grains_sector = get64 (raw + 192),
    .grains_sectors = get64 (raw + 200),
  };
  if (h->capacity == 0 || h->capacity > MAX_DISK_SECTORS)
    return damaged (file, "the capacity is 0 or more than 64 TiB");
  err = check_volatile (file, raw);
  if (err == VIX_OK)
    err = check_sizes (file, h);
  return err;
}
