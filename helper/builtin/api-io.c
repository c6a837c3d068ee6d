/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The VixDiskLib functions that move data.  Everything completes inside the
 * call: an accepted asynchronous request calls back before it returns, so
 * there is never anything to wait for.  No exported function calls another:
 * the program's symbol of the same name might be called instead.
 */
#define VIXDISKLIB_IMPLEMENTATION
#include "../vixdisklib.h"

#include <stdlib.h>

#include "handles.h"

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

/* An error found at once is returned and there is no callback; that is
 * allowed for every error, and saves callers nothing to undo.
 */
static VixError
complete (VixError err, VixDiskLibCompletionCB callback, void *user_data)
{
  if (err != VIX_OK)
    return err;
  callback (user_data, VIX_OK);
  return VIX_ASYNC;
}

VixError
VixDiskLib_ReadAsync (VixDiskLibHandle handle,
                      VixDiskLibSectorType start_sector,
                      VixDiskLibSectorType nr_sectors, uint8_t *buf,
                      VixDiskLibCompletionCB callback, void *user_data)
{
  if (!callback)
    return VIX_E_INVALID_ARG;
  return complete (check_and_read (handle, start_sector, nr_sectors, buf),
                   callback, user_data);
}

VixError
VixDiskLib_WriteAsync (VixDiskLibHandle handle,
                       VixDiskLibSectorType start_sector,
                       VixDiskLibSectorType nr_sectors, const uint8_t *buf,
                       VixDiskLibCompletionCB callback, void *user_data)
{
  if (!callback)
    return VIX_E_INVALID_ARG;
  return complete (check_and_write (handle, start_sector, nr_sectors, buf),
                   callback, user_data);
}

VixError
VixDiskLib_Wait (VixDiskLibHandle handle)
{
  return handles_find (handle) ? VIX_OK : VIX_E_INVALID_HANDLE;
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
