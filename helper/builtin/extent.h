/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An extent: a stretch of one link of a disk, usually kept in one file.  Each
 * format implements these operations; the disk above maps sector ranges to
 * extents.  Sectors here count from the start of the extent, and ranges lie
 * inside it.  All but commit, committed, finish and close may run on several
 * threads at once.
 */
#ifndef BUILTIN_EXTENT_H
#define BUILTIN_EXTENT_H

#include "descriptor.h"
#include "file.h"
#include "kill-log.h"

struct extent;

enum span_kind {
  SPAN_ABSENT, /* not in this link: the parent's, or zeroes */
  SPAN_ZERO,   /* zeroes, whatever the parent has */
  SPAN_DATA,
};

/* Sectors that are kept alike. */
struct span {
  enum span_kind kind;
  uint64_t file_sector; /* DATA of sparse files: where the first one lies */
  uint64_t nr_sectors;  /* at least 1 */
};

/* What lies below the top link. */
struct below {
  VixError (*read) (const struct below *below, uint64_t disk_sector,
                    uint64_t nr_sectors, uint8_t *buf);
};

struct extent_ops {
  /* The longest span at sector that one lookup gives, up to max_sectors. */
  VixError (*span) (struct extent *extent, uint64_t sector,
                    uint64_t max_sectors, struct span *span);
  /* The same for a map of the disk: what holds no data is ZERO or ABSENT even
   * if finding out takes a while.  NULL if it is no different.
   */
  VixError (*map) (struct extent *extent, uint64_t sector, uint64_t max_sectors,
                   struct span *span);
  /* Reads a span of DATA that begins with sector. */
  VixError (*read) (struct extent *extent, uint64_t sector,
                    const struct span *span, uint8_t *buf);
  VixError (*write) (struct extent *extent, uint64_t sector,
                     uint64_t nr_sectors, const uint8_t *buf);
  /* The five below are NULL if there is never metadata in memory only.
   *
   * Whether there is now.
   */
  bool (*is_dirty) (struct extent *extent);
  /* Writes it; the data it points to is durable. */
  VixError (*commit) (struct extent *extent);
  /* It is durable, too. */
  void (*committed) (struct extent *extent);
  /* The last words before a clean close, after a commit. */
  VixError (*finish) (struct extent *extent);
  /* Takes back what a killed process had not committed. */
  VixError (*recall) (struct extent *extent, const struct kill_record *record);
  /* Frees the extent; the file belongs to the link. */
  void (*close) (struct extent *extent);
};

struct extent {
  const struct extent_ops *ops;
  struct file *file;
  const struct below *below; /* NULL if there is no parent */
  struct kill_log *kill_log; /* NULL if not writable */
  bool read_only;            /* the descriptor says so */
  bool is_slow;              /* a write takes more than copying */
  size_t index;              /* in its link */
  uint64_t start_sector;     /* where it begins in the disk */
  uint64_t nr_sectors;
};

/* nr_sectors of the file from offset_sector on, as they are. */
VixError flat_open (struct file *file, uint64_t offset_sector,
                    uint64_t nr_sectors, struct extent **out);

/* hollow.c: extents without a file.  Zeroes, which only take zeroes. */
VixError zero_open (const char *path, uint64_t nr_sectors, struct extent **out);
/* What the descriptor forbids to touch: it fails every request. */
VixError forbidden_open (const char *path, uint64_t nr_sectors,
                         struct extent **out);

/* A hosted sparse file that holds nr_sectors. */
VixError hosted_open (struct file *file, uint64_t nr_sectors,
                      struct extent **out);

/* A COWD file. */
VixError cowd_open (struct file *file, uint64_t nr_sectors,
                    struct extent **out);

/* A seSparse file; read-only. */
VixError sesparse_open (struct file *file, uint64_t nr_sectors,
                        struct extent **out);

/* extent.c: span operations of extents that are all alike. */
VixError extent_all_data (struct extent *extent, uint64_t sector,
                          uint64_t max_sectors, struct span *span);
VixError extent_all_zero (struct extent *extent, uint64_t sector,
                          uint64_t max_sectors, struct span *span);

/* Whether all bytes are zero. */
bool is_zero (const uint8_t *buf, uint64_t nr_sectors);

#endif /* BUILTIN_EXTENT_H */
