/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes of a dead session that land late.  A process of its own (the
 * shadow) shares the list of writes in flight, outlives the helper, however
 * that ends, and then carries them out.  What fences it is the lock of the
 * image: without it nothing is written.
 */
#ifndef FAULT_LATE_H
#define FAULT_LATE_H

#include "engine.h"

/* Starts the shadow of an open disk.  With hold it keeps the disk's lock till
 * it is done; with nolock it writes without one.
 */
struct late *late_new (const struct disk *disk, uint64_t delay_ns, bool hold,
                       bool nolock);

/* A write is in flight, and no longer.  The slot, or -1 if there is none:
 * then the write will not land late.
 */
int late_begin (struct late *late, const struct request *r);
void late_end (struct late *late, int slot);

/* The disk is closed in order: nothing lands any more. */
void late_free (struct late *late);

#endif /* FAULT_LATE_H */
