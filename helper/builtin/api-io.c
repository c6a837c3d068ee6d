/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The VixDiskLib functions that move data.  An asynchronous request that needs
 * no wait calls back inside the call; any other one does so from a thread of
 * the pool.  No exported function calls another:
 * the program's symbol of the same name might be called instead.
 */
#define VIXDISKLIB_IMPLEMENTATION
#include "../vixdisklib.h"

#include <stdlib.h>

#include "handles.h"
#include "pool.h"

/* After so many requests that found none in flight, the next are taken to be
 * alone, too; of those, one in so many is handed over all the same.
 */
#define ALONE_REQUESTS 64
#define ALONE_PROBE    16

static VixError
check_and_read (VixDiskLibHandle handle, VixDiskLibSectorType start_sector,
                VixDiskLibSectorType nr_sectors, uint8_t *buf)
{
  const struct handle *h = handles_find (handle);

  if (!h)
    return VIX_E_INVALID_HANDLE;
  if (!buf)
    return VIX_E_INVALID_ARG;
  return disk_read (h->disk, start_sector, nr_sectors, buf);
}

VixError
VixDiskLib_Read (VixDiskLibHandle handle, VixDiskLibSectorType start_sector,
                 VixDiskLibSectorType nr_sectors, uint8_t *buf)
{
  return check_and_read (handle, start_sector, nr_sectors, buf);
}

static VixError
check_and_write (VixDiskLibHandle handle, VixDiskLibSectorType start_sector,
                 VixDiskLibSectorType nr_sectors, const uint8_t *buf)
{
  const struct handle *h = handles_find (handle);

  if (!h)
    return VIX_E_INVALID_HANDLE;
  if (!buf)
    return VIX_E_INVALID_ARG;
  return disk_write (h->disk, start_sector, nr_sectors, buf);
}

VixError
VixDiskLib_Write (VixDiskLibHandle handle, VixDiskLibSectorType start_sector,
                  VixDiskLibSectorType nr_sectors, const uint8_t *buf)
{
  return check_and_write (handle, start_sector, nr_sectors, buf);
}

/* An asynchronous request that waits for a thread. */
struct request {
  struct job job;
  struct handle *handle;
  uint64_t sector;
  uint64_t nr_sectors;
  uint8_t *to; /* of a read, else NULL */
  const uint8_t *from;
  bool written; /* only a commit is missing */
  VixDiskLibCompletionCB callback;
  void *user_data;
};

static void
run (const struct request *r)
{
  struct disk *disk = r->handle->disk;
  VixError err;

  if (r->to)
    err = disk_read (disk, r->sector, r->nr_sectors, r->to);
  else if (r->written)
    err = disk_settle (disk);
  else
    err = disk_write (disk, r->sector, r->nr_sectors, r->from);
  r->callback (r->user_data, err);
  handle_end (r->handle);
}

static void
run_request (struct job *job)
{
  run ((struct request *)job);
  free (job);
}

/* Hands a copy of r to a thread; without one, it is done here and now.  So is
 * a read of a caller who never has more than one: nobody else would have to
 * wait, and two threads need not be woken.  Whether that still holds shows only
 * when one is handed over.
 */
static VixError
hand_over (const struct request *r)
{
  unsigned alone = handle_begin (r->handle);
  struct request *copy;

  if (r->to && alone > ALONE_REQUESTS && alone % ALONE_PROBE != 0) {
    run (r);
    return VIX_ASYNC;
  }
  copy = malloc (sizeof *copy);
  if (!copy) {
    handle_end (r->handle);
    return VIX_E_OUT_OF_MEMORY;
  }
  *copy = *r;
  copy->job.run = run_request;
  if (!pool_add (&copy->job))
    run_request (&copy->job);
  return VIX_ASYNC;
}

/* An error found at once is returned and there is no callback; that is
 * allowed for every error, and saves callers nothing to undo.
 */
static VixError
complete (const struct request *r, VixError err)
{
  if (err != VIX_OK)
    return err;
  r->callback (r->user_data, VIX_OK);
  return VIX_ASYNC;
}

VixError
VixDiskLib_ReadAsync (VixDiskLibHandle handle,
                      VixDiskLibSectorType start_sector,
                      VixDiskLibSectorType nr_sectors, uint8_t *buf,
                      VixDiskLibCompletionCB callback, void *user_data)
{
  const struct request r = {
    .handle = handles_find (handle),
    .sector = start_sector,
    .nr_sectors = nr_sectors,
    .to = buf,
    .callback = callback,
    .user_data = user_data,
  };
  VixError err;

  if (!r.handle)
    return VIX_E_INVALID_HANDLE;
  if (!callback || !buf)
    return VIX_E_INVALID_ARG;
  file_nowait = true;
  err = disk_read (r.handle->disk, start_sector, nr_sectors, buf);
  file_nowait = false;
  return err == FILE_WOULD_BLOCK ? hand_over (&r) : complete (&r, err);
}

VixError
VixDiskLib_WriteAsync (VixDiskLibHandle handle,
                       VixDiskLibSectorType start_sector,
                       VixDiskLibSectorType nr_sectors, const uint8_t *buf,
                       VixDiskLibCompletionCB callback, void *user_data)
{
  struct request r = {
    .handle = handles_find (handle),
    .sector = start_sector,
    .nr_sectors = nr_sectors,
    .from = buf,
    .callback = callback,
    .user_data = user_data,
  };
  VixError err;

  if (!r.handle)
    return VIX_E_INVALID_HANDLE;
  if (!callback || !buf)
    return VIX_E_INVALID_ARG;
  err = disk_check_range (r.handle->disk, start_sector, nr_sectors, true);
  if (err != VIX_OK)
    return err;
  err = disk_write_quickly (r.handle->disk, start_sector, nr_sectors, buf,
                            &r.written);
  if (err == FILE_WOULD_BLOCK || r.written)
    return hand_over (&r);
  return complete (&r, err);
}

VixError
VixDiskLib_Wait (VixDiskLibHandle handle)
{
  struct handle *h = handles_find (handle);

  if (!h)
    return VIX_E_INVALID_HANDLE;
  handle_wait (h);
  return VIX_OK;
}

VixError
VixDiskLib_Flush (VixDiskLibHandle handle)
{
  const struct handle *h = handles_find (handle);

  return h ? disk_flush (h->disk) : VIX_E_INVALID_HANDLE;
}

VixError
VixDiskLib_QueryAllocatedBlocks (VixDiskLibHandle handle,
                                 VixDiskLibSectorType start_sector,
                                 VixDiskLibSectorType nr_sectors,
                                 VixDiskLibSectorType chunk_size,
                                 VixDiskLibBlockList **block_list)
{
  const struct handle *h = handles_find (handle);

  if (!block_list)
    return VIX_E_INVALID_ARG;
  *block_list = NULL;
  if (!h)
    return VIX_E_INVALID_HANDLE;
  return disk_query (h->disk, start_sector, nr_sectors, chunk_size, block_list);
}

VixError
VixDiskLib_FreeBlockList (VixDiskLibBlockList *block_list)
{
  free (block_list);
  return VIX_OK;
}
