/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Counting the calls of the library and telling of them, when HELLO asks for
 * it.  The counters lie in the read arena: they outlive a helper that is
 * killed, and all helpers of a disk add to the same ones.
 */
#ifndef VDDK_NBD_MEASURE_H
#define VDDK_NBD_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "library.h"

/* What HELLO's `trace` asks for. */
enum { TRACE_NOTHING, TRACE_CALLS, TRACE_IO };

/* Whether anything here is to be done.  Both are set before InitEx, and so
 * before the library has threads, and never again.
 */
extern bool measure_is_on;
extern bool measure_counts;

/* Bytes of the counters: calls, bytes and microseconds of each function. */
enum { MEASURE_BYTES = NR_VIX_FUNCTIONS * 3 * 8 };

/* Begins: counts at `counters`, aligned to 8 bytes, unless that is NULL. */
void measure_start (void *counters, unsigned trace);

/* Main thread: around a call that is no READ or WRITE. */
void measure_enter (enum vix_function function);
void measure_leave (void);

/* Main thread: a READ or WRITE is about to be submitted. */
void measure_submit (enum vix_function function, uint64_t start_sector,
                     uint64_t nr_sectors);
/* Any thread: it was completed; it was submitted at `since_us`. */
void measure_complete (enum vix_function function, uint64_t since_us,
                       uint64_t bytes);
/* Main thread: a call has gone through so many bytes of the disk. */
void measure_bytes (enum vix_function function, uint64_t bytes);

/* When a request is submitted, if that is counted. */
static inline uint64_t
measure_now_us (void)
{
  return measure_counts ? precise_us () : 0;
}

#endif /* VDDK_NBD_MEASURE_H */
