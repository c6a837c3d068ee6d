/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The header of a COWD extent, ESXi's redo log (vmfsSparse): 2048 bytes,
 * little endian.  Nothing of it is believed before cowd_header_read accepted
 * it.
 */
#ifndef BUILTIN_COWD_H
#define BUILTIN_COWD_H

#include "file.h"

#define COWD_HEADER_BYTES     2048
#define COWD_GTES_PER_TABLE   4096
#define COWD_UNCLEAN_BYTE     1648
#define COWD_FREE_SECTOR_BYTE 28

struct cowd_header {
  uint32_t version;
  uint32_t flags;
  uint32_t capacity;
  uint32_t grain_sectors;
  uint32_t gd_sector;
  uint32_t
      gd_entries; /* as many as the header says; it may be more than needed */
  uint32_t free_sector;
  uint32_t unclean; /* not closed by its last writer */
};

bool cowd_header_detect (const uint8_t *raw, size_t length);

/* Reads and checks the header.  DISK_INVALIDDISK,
 * DISK_UNSUPPORTEDDISKVERSION, each with a warning.
 */
VixError cowd_header_read (struct file *file, struct cowd_header *h);

/* COWD_HEADER_BYTES at raw. */
void cowd_header_encode (const struct cowd_header *h, uint8_t *raw);

#endif /* BUILTIN_COWD_H */
