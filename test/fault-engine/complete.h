/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When requests are completed: at once on the caller's thread, or when due on
 * the engine's own.
 */
#ifndef FAULT_COMPLETE_H
#define FAULT_COMPLETE_H

#include "faults.h"

/* Starts the background thread. */
void complete_init (void);

/* Carries out and answers a request as the verdict of its submission says.
 * What InitEx found in FAULT_LATENCY_US comes on top.  VIX_ASYNC, or an error
 * and no callback.
 */
VixError complete_submit (const struct request *r, const struct verdict *v);

/* Whether one more request, of so many bytes, is within the limits on what
 * waits; 0 is no limit.
 */
bool complete_has_room (uint64_t max_requests, uint64_t max_bytes,
                        uint64_t bytes);

/* Until no request of the disk is there any more. */
void complete_wait (struct disk *disk);

/* Calls f with every request that waits; without a lock if that can't be had,
 * since the process is about to end.
 */
void complete_each_pending (void (*f) (const struct request *r));

/* What every request waits at least. */
uint64_t complete_latency_ns (void);

/* Carries out a request and calls back, now (io.c). */
void io_finish (struct request *r);

#endif /* FAULT_COMPLETE_H */
