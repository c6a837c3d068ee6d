/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The headers of a seSparse extent, ESXi's snapshot of large disks: one that
 * never changes in sector 0, and a volatile one.  Little endian, in sectors.
 */
#ifndef BUILTIN_SESPARSE_H
#define BUILTIN_SESPARSE_H

#include "file.h"

#define SESPARSE_GRAIN_SECTORS  8
#define SESPARSE_GTES_PER_TABLE 4096
#define SESPARSE_TABLE_SECTORS  64

struct sesparse_header {
  uint64_t capacity;
  uint64_t gd_sector;
  uint64_t gd_sectors;
  uint64_t tables_sector;
  uint64_t tables_sectors;
  uint64_t grains_sector;
  uint64_t grains_sectors;
};

bool sesparse_header_detect (const uint8_t *raw, size_t length);

/* Reads and checks both.  DISK_INVALIDDISK, DISK_UNSUPPORTEDDISKVERSION,
 * DISK_NEEDSREPAIR if its journal has changes that are not in the tables.
 */
VixError sesparse_header_read (struct file *file, struct sesparse_header *h);

#endif /* BUILTIN_SESPARSE_H */
