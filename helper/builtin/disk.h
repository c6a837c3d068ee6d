/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A disk: the extents that its descriptor names, one after the other.  All
 * ranges are checked here; extents only get ranges inside them.
 */
#ifndef BUILTIN_DISK_H
#define BUILTIN_DISK_H

#include "extent.h"

struct disk {
  struct descriptor *descriptor;
  struct file *files; /* the descriptor's first */
  struct extent **extents;
  size_t nr_extents;
  uint64_t nr_sectors;
  bool writable;
};

/* Opens the VMDK at path and takes its locks.  Any error has been warned
 * about, except OUT_OF_MEMORY.
 */
VixError disk_open (const char *path, bool writable, struct disk **out);

/* Closes the files; what was not flushed stays in the page cache. */
void disk_close (struct disk *disk);

/* DISK_OUTOFRANGE if the range is not inside the disk. */
VixError disk_read (struct disk *disk, uint64_t sector, uint64_t nr_sectors,
                    uint8_t *buf);

/* FILE_READ_ONLY on a disk that was opened read-only. */
VixError disk_write (struct disk *disk, uint64_t sector, uint64_t nr_sectors,
                     const uint8_t *buf);

/* Makes all completed writes durable.  A file that could not be flushed is
 * flushed again the next time.
 */
VixError disk_flush (struct disk *disk);

/* Whether sector is allocated, and up to where (1 to max_sectors) the same
 * surely holds.
 */
VixError disk_next_run (struct disk *disk, uint64_t sector,
                        uint64_t max_sectors, bool *allocated,
                        uint64_t *nr_sectors);

/* query.c: allocated runs in whole chunks, ascending and merged, to be freed
 * with free ().  INVALID_ARG if the arguments break the call's contract.
 */
VixError disk_query (struct disk *disk, uint64_t start_sector,
                     uint64_t nr_sectors, uint64_t chunk_sectors,
                     VixDiskLibBlockList **out);

#endif /* BUILTIN_DISK_H */
