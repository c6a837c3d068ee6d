/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One link of a disk: a descriptor, the files it names, and the extents in
 * them.  A disk without snapshots has one, else a chain of them.
 */
#ifndef BUILTIN_LINK_H
#define BUILTIN_LINK_H

#include "cid.h"
#include "extent.h"

struct link {
  struct descriptor *descriptor;
  struct text_place text;
  struct file *files; /* the descriptor's first */
  struct extent **extents;
  size_t nr_extents;
  uint64_t nr_sectors;
  bool writable;
};

/* Opens the descriptor at path and takes the lock of its file; *link is zero
 * before.  On an error, too, link_close must be called.  All errors but
 * OUT_OF_MEMORY have been warned about.
 */
VixError link_open (struct link *link, const char *path, bool writable);

/* Opens the extents.  below is what absent parts are read from, or NULL. */
VixError link_open_extents (struct link *link, const struct below *below,
                            struct kill_log *kill_log);

void link_close (struct link *link);

/* The extent that holds sector; makes *sector relative to it and cuts
 * *nr_sectors to it.
 */
struct extent *link_enter (const struct link *link, uint64_t *sector,
                           uint64_t *nr_sectors);

#endif /* BUILTIN_LINK_H */
