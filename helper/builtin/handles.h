/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The connections and open disks that a caller holds.  What a caller passes
 * back is looked up here before it is touched, so a stale or wrong pointer is
 * an error and no crash.
 */
#ifndef BUILTIN_HANDLES_H
#define BUILTIN_HANDLES_H

#include <pthread.h>

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
  pthread_mutex_t lock; /* for all below */
  pthread_cond_t done;
  size_t in_flight; /* accepted, and not yet called back */
  unsigned alone;   /* requests in a row that came when nothing was */
};

/* A handle without a disk; NULL without memory.  handle_free frees it. */
struct handle *handle_new (void);
void handle_free (struct handle *handle);

/* A request was accepted: the how many-th in a row, with this one, that came
 * when none was in flight; it has called back; wait until all have.
 */
unsigned handle_begin (struct handle *handle);
void handle_end (struct handle *handle);
void handle_wait (struct handle *handle);

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
