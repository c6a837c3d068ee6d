/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Counting the calls of the library and telling of them.  The spare helper
 * and the one at work count at the same place, so everything is added
 * atomically.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>

#include "log.h"
#include "measure.h"

/* One function's row (docs/helper-protocol.md, Counters). */
struct counter {
  _Atomic uint64_t calls;
  _Atomic uint64_t bytes;
  _Atomic uint64_t us;
};
_Static_assert(sizeof (struct counter) * NR_VIX_FUNCTIONS == MEASURE_BYTES,
               "the host reads three integers of 64 bits");

bool measure_is_on;
bool measure_counts;

static struct counter *counters;
static unsigned trace;

/* The main thread's present call. */
static enum vix_function present;
static uint64_t entered_us;

void
measure_start (void *at, unsigned level)
{
  counters = at;
  trace = level;
  measure_counts = counters != NULL;
  measure_is_on = measure_counts || trace != TRACE_NOTHING;
}

/* Whether complete() counts it, from submission to completion. */
static bool
is_counted_apart (enum vix_function function)
{
  return function == VIX_FN_Read || function == VIX_FN_Write
         || function == VIX_FN_ReadAsync || function == VIX_FN_WriteAsync;
}

/* What comes with each FLUSH is I/O. */
static bool
is_io (enum vix_function function)
{
  return is_counted_apart (function) || function == VIX_FN_Wait
         || function == VIX_FN_Flush;
}

static void
count (enum vix_function function, uint64_t since_us)
{
  atomic_fetch_add_explicit (&counters[function].calls, 1,
                             memory_order_relaxed);
  atomic_fetch_add_explicit (&counters[function].us, precise_us () - since_us,
                             memory_order_relaxed);
}

void
measure_enter (enum vix_function function)
{
  if (!is_counted_apart (function)
      && trace >= (is_io (function) ? TRACE_IO : TRACE_CALLS))
    log_trace ("%s", library_name (function));
  present = function;
  entered_us = measure_now_us ();
}

void
measure_leave (void)
{
  if (measure_counts && !is_counted_apart (present))
    count (present, entered_us);
}

void
measure_submit (enum vix_function function, uint64_t start_sector,
                uint64_t nr_sectors)
{
  if (trace >= TRACE_IO)
    log_trace ("%s: %" PRIu64 " sectors at sector %" PRIu64,
               library_name (function), nr_sectors, start_sector);
}

void
measure_complete (enum vix_function function, uint64_t since_us, uint64_t bytes)
{
  if (!measure_counts)
    return;
  count (function, since_us);
  measure_bytes (function, bytes);
}

void
measure_bytes (enum vix_function function, uint64_t bytes)
{
  if (measure_counts)
    atomic_fetch_add_explicit (&counters[function].bytes, bytes,
                               memory_order_relaxed);
}
