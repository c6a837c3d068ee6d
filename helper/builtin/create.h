/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Making new, empty disks.  A disk is there whole or not at all: what was made
 * before an error is removed again, and nothing that exists is overwritten.
 */
#ifndef BUILTIN_CREATE_H
#define BUILTIN_CREATE_H

#include "file.h"

/* VMware's largest disk, in sectors. */
#define MAX_CREATED_SECTORS (UINT64_C (62) << 31)

/* A new disk of that kind at path, durable when this returns.  progress may be
 * NULL.  FILE_ALREADY_EXISTS, INVALID_ARG, NOT_SUPPORTED, FILE_TOO_BIG, ...
 */
VixError disk_create (const char *path, const VixDiskLibCreateParams *params,
                      VixDiskLibProgressFunc progress, void *progress_data);

/* One file that holds a part of a new disk. */
struct new_extent {
  uint64_t nr_sectors;
  const char *type; /* as the descriptor calls it */
  char *name;       /* without the directory */
  bool has_offset;
};

/* The parts of a new disk. */
struct new_disk {
  const VixDiskLibCreateParams *params;
  const char *path;
  const char *create_type;
  bool thin;
  size_t nr_extents;
  struct new_extent *extents;
};

/* create-text.c: the descriptor's text, to be freed; NULL without memory. */
char *create_text (const struct new_disk *disk);

/* create-sparse.c: they fill a new, empty file. */

/* What a hosted sparse file holds of the disk, and its kind. */
struct new_sparse {
  uint64_t capacity;
  const char *text; /* embedded descriptor, or NULL */
  bool stream;
};

/* Sectors that a hosted sparse file of that capacity has in front of grains. */
uint64_t create_sparse_overhead (uint64_t capacity, bool embedded);
VixError create_sparse (struct file *file, const struct new_sparse *sparse);
VixError create_cowd (struct file *file, uint64_t capacity);

#endif /* BUILTIN_CREATE_H */
