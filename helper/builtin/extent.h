/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An extent: a stretch of a disk, kept in one file.  Each format implements
 * these operations; the disk above only maps sector ranges to extents.
 * Sectors here count from the start of the extent, and ranges lie inside it.
 */
#ifndef BUILTIN_EXTENT_H
#define BUILTIN_EXTENT_H

#include "descriptor.h"
#include "file.h"

struct extent;

struct extent_ops {
  VixError (*read) (struct extent *extent, uint64_t sector, uint64_t nr_sectors,
                    uint8_t *buf);
  /* NULL if the format can't be written. */
  VixError (*write) (struct extent *extent, uint64_t sector,
                     uint64_t nr_sectors, const uint8_t *buf);
  /* Whether sector is allocated, and how many sectors from there on (1 to
   * max_sectors) surely are the same.
   */
  VixError (*next_run) (struct extent *extent, uint64_t sector,
                        uint64_t max_sectors, bool *allocated,
                        uint64_t *nr_sectors);
  /* Frees the extent; the file belongs to the disk. */
  void (*close) (struct extent *extent);
};

struct extent {
  const struct extent_ops *ops;
  struct file *file;
  uint64_t start_sector; /* where it begins in the disk */
  uint64_t nr_sectors;
};

/* nr_sectors of the file from offset_sector on, as they are. */
VixError flat_open (struct file *file, uint64_t offset_sector,
                    uint64_t nr_sectors, struct extent **out);

/* A hosted sparse file that holds nr_sectors. */
VixError sparse_open (struct file *file, uint64_t nr_sectors,
                      struct extent **out);

#endif /* BUILTIN_EXTENT_H */
