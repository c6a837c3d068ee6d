/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tail of a streamOptimized file and the markers in it.  A marker is a
 * sector: how many sectors follow (8 bytes), 0 (4), its type (4); or, with a
 * length instead of the 0, the first sector of a compressed grain.
 */
#ifndef BUILTIN_STREAM_FORMAT_H
#define BUILTIN_STREAM_FORMAT_H

#include "sparse-header.h"

enum marker_type {
  MARKER_END = 0,
  MARKER_TABLE = 1,
  MARKER_DIRECTORY = 2,
  MARKER_FOOTER = 3,
};

/* In front of the bytes of a compressed grain: its first sector (8), how many
 * bytes (4).
 */
#define GRAIN_MARKER_BYTES 12

/* VIXDISKLIB_SECTOR_SIZE bytes at raw. */
void stream_put_marker (uint8_t *raw, uint64_t nr_sectors,
                        enum marker_type type);

/* Appends footer and end marker to a file that ends with a directory, at
 * gd_sector.  The footer is the header with that sector.
 */
VixError stream_put_footer (struct file *file, const struct sparse_header *h,
                            uint64_t gd_sector);

/* Directory and footer of a stream that has no grains. */
VixError stream_put_empty_end (struct file *file,
                               const struct sparse_header *h);

#endif /* BUILTIN_STREAM_FORMAT_H */
