/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The header of a hosted sparse extent ("KDMV"): decoding and judging it.
 * Nothing of a header is believed before sparse_header_read accepted it.
 */
#ifndef BUILTIN_SPARSE_HEADER_H
#define BUILTIN_SPARSE_HEADER_H

#include "file.h"

#define SPARSE_HEADER_BYTES 512
#define SPARSE_UNCLEAN_BYTE 72

/* flags */
#define SPARSE_NEWLINE_TEST  0x1U
#define SPARSE_REDUNDANT     0x2U
#define SPARSE_ZEROED_GRAINS 0x4U
#define SPARSE_COMPRESSED    0x10000U
#define SPARSE_MARKERS       0x20000U
#define SPARSE_KNOWN_FLAGS   0x30007U

/* compression */
#define SPARSE_DEFLATE 1

/* gd_sector: the real header is the footer. */
#define SPARSE_GD_AT_END UINT64_MAX

/* The format fixes it. */
#define GTES_PER_TABLE 512
#define TABLE_BYTES    (GTES_PER_TABLE * 4)
#define TABLE_SECTORS  (TABLE_BYTES / VIXDISKLIB_SECTOR_SIZE)

/* The format's least: 4 KiB. */
#define MIN_GRAIN_SECTORS 8

/* Entries of a grain directory: 16 MiB of memory, and with the usual grain
 * of 64 KiB twice the largest disk.
 */
#define MAX_GD_ENTRIES (4 * 1024 * 1024)

struct sparse_header {
  uint32_t version;
  uint32_t flags;
  uint64_t capacity;
  uint64_t grain_sectors;
  uint64_t descriptor_sector;
  uint64_t descriptor_sectors;
  uint64_t rgd_sector;
  uint64_t gd_sector;
  uint64_t overhead;
  uint32_t nr_gtes;
  uint16_t compression;
  bool unclean;    /* not closed by its last writer */
  bool unfinished; /* a stream without its footer */
  bool newlines_intact;
  uint32_t gd_entries; /* computed: the length of each directory */
};

/* Whether the first bytes of a file are such a header's. */
bool sparse_header_detect (const uint8_t *raw, size_t length);

/* Reads the header of file (and the footer, if it is the real one) and checks
 * it against itself and the file's size.  DISK_INVALIDDISK,
 * DISK_UNSUPPORTEDDISKVERSION, DISK_NOTSUPPORTED, each with a warning.
 */
VixError sparse_header_read (struct file *file, struct sparse_header *h);

/* SPARSE_HEADER_BYTES at raw. */
void sparse_header_encode (const struct sparse_header *h, uint8_t *raw);

#endif /* BUILTIN_SPARSE_HEADER_H */
