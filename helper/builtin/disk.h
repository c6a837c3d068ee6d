/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A disk: a chain of links, of which the first is written and each of the
 * others has what those before it lack.  All ranges are checked here.
 */
#ifndef BUILTIN_DISK_H
#define BUILTIN_DISK_H

#include <pthread.h>

#include "link.h"

/* How a disk is opened. */
enum { DISK_WRITABLE = 1, DISK_SINGLE_LINK = 2 };

struct disk;

/* What absent parts of the top link are read from. */
struct disk_below {
  struct below below;
  struct disk *disk;
};

struct disk {
  struct link *links; /* the top one first */
  size_t nr_links;
  uint64_t nr_sectors;
  bool writable;
  struct disk_below below;
  struct kill_log *kill_log; /* of the top link */
  /* Requests share it, a commit has it alone. */
  pthread_rwlock_t lock;
  pthread_mutex_t first_write;
  atomic_bool cid_changed;
  atomic_uint slow_writes; /* that are left to threads, after a slow one */
};

/* Opens the VMDK at path with its parents and takes their locks.  Any error
 * has been warned about, except OUT_OF_MEMORY.
 */
VixError disk_open (const char *path, unsigned flags, struct disk **out);

/* Commits what is not yet, and closes the files.  What was not flushed before
 * may be lost in a power cut, but nothing else.
 */
VixError disk_close (struct disk *disk);

/* Makes disk->below read what is under the top link. */
void disk_set_below (struct disk *disk);

/* The descriptor that a user means: the top link's. */
const struct descriptor *disk_descriptor (const struct disk *disk);

/* DISK_OUTOFRANGE if the range is not inside the disk.  FILE_WOULD_BLOCK if
 * the thread may not wait (file_nowait).
 */
VixError disk_read (struct disk *disk, uint64_t sector, uint64_t nr_sectors,
                    uint8_t *buf);

/* FILE_READ_ONLY on a disk that was opened read-only. */
VixError disk_write (struct disk *disk, uint64_t sector, uint64_t nr_sectors,
                     const uint8_t *buf);

/* disk_write for a thread that may not wait, as far as that is known before:
 * FILE_WOULD_BLOCK if it should come from another one.  *due says that
 * disk_settle must be called, by one that may wait, before it is answered.
 */
VixError disk_write_quickly (struct disk *disk, uint64_t sector,
                             uint64_t nr_sectors, const uint8_t *buf,
                             bool *due);

/* Commits if that is due. */
VixError disk_settle (struct disk *disk);

/* The checks of both, which need no I/O. */
VixError disk_check_range (const struct disk *disk, uint64_t sector,
                           uint64_t nr_sectors, bool write);

/* Makes all completed writes durable.  What could not be flushed is flushed
 * again the next time.
 */
VixError disk_flush (struct disk *disk);

/* Whether sector is allocated in any link, and up to where (1 to max_sectors)
 * the same surely holds.
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
