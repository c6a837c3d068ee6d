/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The connections and open disks that a caller holds.  What a caller passes
 * back is looked up here before it is touched, so a stale or wrong pointer is
 * an error and no crash.
 */
#ifndef BUILTIN_HANDLES_H
#define BUILTIN_HANDLES_H

#include "disk.h"

struct connection {
  struct connection *next;
  bool read_only;
  unsigned nr_disks; /* open on it */
};

struct handle {
  struct handle *next;
  struct connection *connection;
  struct disk *disk;
};

/* Take ownership.  Safe from any thread, as all of these are. */
void handles_add_connection (struct connection *connection);
void handles_add (struct handle *handle);

/* NULL if there is no such connection or handle. */
struct connection *handles_find_connection (VixDiskLibConnection pointer);
struct handle *handles_find (VixDiskLibHandle pointer);

/* Take it out of the books; the caller then frees it.  NULL as above. */
struct handle *handles_remove (VixDiskLibHandle pointer);

/* OBJECT_IS_BUSY while disks are open on it, DISK_INVALID_CONNECTION. */
VixError handles_free_connection (VixDiskLibConnection pointer);

#endif /* BUILTIN_HANDLES_H */
