/* SPDX-License-Identifier: BSD-3-Clause
 *
 * READ, WRITE and FLUSH: submission on the main thread, completion on any.
 * A completion never calls the library and never blocks: it redeems its
 * ticket, hands the answer to the output and counts.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "control.h"
#include "die.h"
#include "io.h"
#include "library.h"
#include "log.h"
#include "measure.h"
#include "output.h"

static uint8_t *read_arena;
static const uint8_t *write_arena;
static uint64_t read_arena_bytes;
static uint64_t write_arena_bytes;

static VixDiskLibHandle disk;
static bool attached;

static _Atomic uint64_t in_flight;
static _Atomic bool draining; /* the main thread waits for in_flight == 0 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t drained = PTHREAD_COND_INITIALIZER;

/* A request whose failure is to be logged; under the lock. */
struct failure {
  enum vix_function function;
  uint64_t error;
  uint64_t start_sector;
  uint64_t nr_sectors;
};
static struct failure failures[FAILURES_PENDING_MAX];
static unsigned nr_failures;
static unsigned lost_failures;

void
io_set_arenas (uint8_t *read, uint64_t read_bytes, const uint8_t *write,
               uint64_t write_bytes)
{
  read_arena = read;
  read_arena_bytes = read_bytes;
  write_arena = write;
  write_arena_bytes = write_bytes;
}

void
io_attach (VixDiskLibHandle handle)
{
  disk = handle;
  attached = true;
}

void
io_detach (void)
{
  attached = false;
}

bool
io_in_flight (void)
{
  return atomic_load (&in_flight) != 0;
}

static void
note_failure (const struct request *r, enum vix_function function)
{
  bool is_first;

  pthread_mutex_lock (&lock);
  is_first = nr_failures == 0;
  if (nr_failures == FAILURES_PENDING_MAX)
    lost_failures++;
  else
    failures[nr_failures++]
        = (struct failure){ function, r->error, r->start_sector,
                            r->nr_sectors };
  pthread_mutex_unlock (&lock);
  if (is_first)
    control_nudge ();
}

void
io_report_failures (void)
{
  struct failure copy[FAILURES_PENDING_MAX];
  unsigned count, lost;

  pthread_mutex_lock (&lock);
  count = nr_failures;
  lost = lost_failures;
  for (unsigned i = 0; i < count; i++)
    copy[i] = failures[i];
  nr_failures = lost_failures = 0;
  pthread_mutex_unlock (&lock);
  for (unsigned i = 0; i < count; i++) {
    char *text = library_error_text (copy[i].error);

    log_helper ("%s: %" PRIu64 " sectors at sector %" PRIu64 ": error %" PRIu64
                ": %s",
                library_name (copy[i].function), copy[i].nr_sectors,
                copy[i].start_sector, copy[i].error, text);
    free (text);
  }
  if (lost > 0)
    log_helper ("%u further requests failed", lost);
}

/* The function that a READ or WRITE is made with. */
static enum vix_function
function_of (const struct request *r)
{
  if (library.is_async)
    return r->op == OP_READ ? VIX_FN_ReadAsync : VIX_FN_WriteAsync;
  return r->op == OP_READ ? VIX_FN_Read : VIX_FN_Write;
}

/* The answer of a READ or WRITE that the library was given. */
static void
complete (void *ticket, VixError error)
{
  struct request *r = request_redeem ((uint64_t)(uintptr_t)ticket);

  if (r == NULL)
    die (EXIT_COMPLETION, "the library completed a request twice, or one that "
                          "it was never given");
  r->error = error;
  measure_complete (function_of (r), r->submitted_us,
                    r->nr_sectors * VIXDISKLIB_SECTOR_SIZE);
  if (error != VIX_OK)
    note_failure (r, function_of (r));
  output_done (r);
  if (atomic_fetch_sub (&in_flight, 1) == 1 && atomic_load (&draining)) {
    pthread_mutex_lock (&lock);
    pthread_cond_signal (&drained);
    pthread_mutex_unlock (&lock);
  }
}

static void
check_request (const struct request *r)
{
  uint64_t arena_bytes
      = r->op == OP_READ ? read_arena_bytes : write_arena_bytes;

  if (!attached)
    die_violation ("an IO request while no disk is open");
  if (r->op == OP_FLUSH) {
    if (r->start_sector != 0 || r->nr_sectors != 0 || r->arena_offset != 0)
      die_violation ("a FLUSH has three zeroes");
    return;
  }
  if (r->nr_sectors < 1 || r->nr_sectors > REQUEST_SECTORS_MAX)
    die_violation ("a request of 0 or more than 4096 sectors");
  if (r->arena_offset > arena_bytes
      || r->nr_sectors * VIXDISKLIB_SECTOR_SIZE > arena_bytes - r->arena_offset)
    die_violation ("a request outside its arena");
}

static void
submit (struct request *r)
{
  uint64_t start = r->start_sector, count = r->nr_sectors;
  uint64_t offset = r->arena_offset;
  bool is_read = r->op == OP_READ;
  void *ticket = (void *)(uintptr_t)request_ticket (r);
  VixError error;

  if (measure_is_on) {
    measure_submit (function_of (r), start, count);
    r->submitted_us = measure_now_us ();
  }
  /* From here on the record is the library's: it may be completed, answered
   * and used again before the call returns.
   */
  atomic_fetch_add (&in_flight, 1);
  if (!library.is_async) {
    error = is_read
                ? VIX_CALL (Read, disk, start, count, read_arena + offset)
                : VIX_CALL (Write, disk, start, count, write_arena + offset);
    complete (ticket, error);
    return;
  }
  error = is_read ? VIX_CALL (ReadAsync, disk, start, count,
                              read_arena + offset, complete, ticket)
                  : VIX_CALL (WriteAsync, disk, start, count,
                              write_arena + offset, complete, ticket);
  /* Only VIX_ASYNC means that the callback runs, VIX_OK does not. */
  if (VIX_ERROR_CODE (error) != VIX_ASYNC)
    complete (ticket, error == VIX_OK ? VIX_E_FAIL : error);
}

VixError
io_drain (void)
{
  VixError error;

  output_flush ();
  if (!library.is_async)
    return VIX_OK; /* nothing is ever in flight */
  library_enter (VIX_FN_Wait);
  error = library.Wait (disk);
  atomic_store (&draining, true);
  pthread_mutex_lock (&lock);
  while (atomic_load (&in_flight) != 0)
    pthread_cond_wait (&drained, &lock);
  pthread_mutex_unlock (&lock);
  atomic_store (&draining, false);
  library_leave ();
  return error;
}

static void
flush (struct request *r)
{
  enum vix_function function = VIX_FN_Wait;

  r->error = io_drain ();
  if (r->error == VIX_OK) {
    function = VIX_FN_Flush;
    r->error
        = library.Flush == NULL ? VIX_E_NOT_SUPPORTED : VIX_CALL (Flush, disk);
  }
  if (r->error != VIX_OK)
    note_failure (r, function);
  output_done (r);
}

void
io_run (struct request *r)
{
  check_request (r);
  if (r->op == OP_FLUSH)
    flush (r);
  else
    submit (r);
}
