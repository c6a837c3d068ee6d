/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The way of a request: rules of the library, verdict, memory, completion;
 * then the bytes, and the callback.
 */
#include "io.h"

#include <inttypes.h>

#include "cache.h"
#include "checks.h"
#include "complete.h"
#include "late.h"
#include "log.h"

static _Atomic uint64_t last_number;

/* VIX_E_OUT_OF_MEMORY, with the line that the library logs, if a nomem rule
 * has no room for a request.
 */
static VixError
find_room (const struct request *r, bool *by_callback)
{
  const struct rule *rule = faults_find (ACT_NOMEM, r->disk->path);

  if (rule == NULL
      || complete_has_room (rule->max_requests, rule->max_bytes, bytes_of (r)))
    return VIX_OK;
  log_debug ("[NFC ERROR] NfcFssrvrProcessErrorMsg: received NFC error 5 from "
             "server: Failed to allocate the requested %" PRIu64 " bytes\n",
             bytes_of (r));
  *by_callback = rule->by_callback;
  return VIX_E_OUT_OF_MEMORY;
}

/* All that only rules ask for: the submission's verdict, which may not
 * return.  An error refuses the request.
 */
static VixError
prepare (struct request *r, struct verdict *v)
{
  struct disk *disk = r->disk;
  bool by_callback = false;
  VixError error;

  *v = faults_judge (r->is_write ? AT_WRITE_ASYNC : AT_READ_ASYNC,
                     disk->connection, disk, r->start_sector, r->nr_sectors);
  if (faults_find (ACT_CHECK, disk->path) != NULL)
    check_buffer_begin (r);
  if (r->is_write && disk->late != NULL)
    r->late_slot = late_begin (disk->late, r);
  faults_carry_out (v, disk, r);
  r->is_twice = v->is_twice;
  error = v->error;
  if (error == VIX_OK)
    error = find_room (r, &by_callback);
  if (by_callback) {
    r->error = error;
    error = VIX_OK;
  }
  if (error != VIX_OK && disk->late != NULL)
    late_end (disk->late, r->late_slot);
  return error;
}

static bool
transfer (const struct request *r)
{
  const struct disk *disk = r->disk;
  uint64_t offset = r->start_sector * VIXDISKLIB_SECTOR_SIZE;

  if (disk->cache != NULL)
    return r->is_write
               ? cache_write (disk->cache, r->write_from, offset, bytes_of (r))
               : cache_read (disk->cache, r->read_to, offset, bytes_of (r));
  return r->is_write ? write_all (disk->fd, r->write_from, offset, bytes_of (r))
                     : read_all (disk->fd, r->read_to, offset, bytes_of (r));
}

/* Everything but the answer. */
static VixError
carry_out (struct request *r)
{
  struct disk *disk = r->disk;
  struct verdict v
      = faults_judge (r->is_write ? AT_WRITE_CALLBACK : AT_READ_CALLBACK,
                      disk->connection, disk, r->start_sector, r->nr_sectors);
  VixError error = r->error != VIX_OK ? r->error : v.error;

  check_buffer_end (r);
  if (error == VIX_OK && !transfer (r))
    error = VIX_E_FILE_ERROR;
  faults_carry_out (&v, disk, r);
  if (v.delay_ns > 0)
    sleep_ns (v.delay_ns);
  if (disk->late != NULL)
    late_end (disk->late, r->late_slot);
  return error;
}

void
io_finish (struct request *r)
{
  VixError error = carry_out (r);

  r->callback (r->user_data, error);
  if (r->is_twice)
    r->callback (r->user_data, error);
}

static VixError
submit (struct request *r)
{
  struct verdict v = { .error = VIX_OK };
  VixError error;

  if (r->is_write && r->disk->read_only)
    return VIX_E_FILE_READ_ONLY;
  r->number = atomic_fetch_add (&last_number, 1) + 1;
  r->late_slot = -1;
  if (!r->is_write)
    atomic_store_explicit (&r->disk->last_read, r->read_to,
                           memory_order_relaxed);
  if (faults_active ()) {
    error = prepare (r, &v);
    if (error != VIX_OK)
      return error;
  }
  if (r->callback != NULL)
    return complete_submit (r, &v);
  if (complete_latency_ns () + v.delay_ns > 0)
    sleep_ns (complete_latency_ns () + v.delay_ns);
  return carry_out (r);
}

VixError
io_submit (VixDiskLibHandle handle, struct request *r)
{
  VixError error;

  r->disk = check_enter (handle);
  check_request (r);
  error = submit (r);
  check_leave (r->disk);
  return error;
}
