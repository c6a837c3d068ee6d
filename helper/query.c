/* SPDX-License-Identifier: BSD-3-Clause
 *
 * INFO and ALLOCATED_BLOCKS of the open disk.
 */
#include "calls.h"
#include "library.h"
#include "measure.h"

/* The first version whose VixDiskLibInfo has the sector sizes. */
enum { SECTOR_SIZES_VERSION = 7 };

/* Runs that are sure to fit a frame: two integers of at most nine bytes
 * each, and a little more for what is around them.
 */
enum { BLOCKS_MAX = (FRAME_FROM_HELPER_BYTES_MAX - 64) / 18 };

void
query_info (struct call *call, VixDiskLibHandle handle)
{
  VixDiskLibInfo *info = NULL;
  VixError error = VIX_CALL (GetInfo, handle, &info);
  bool has_sizes = library.version >= SECTOR_SIZES_VERSION;

  if (error != VIX_OK || info == NULL) {
    reply_vix_error (call, "VixDiskLib_GetInfo",
                     error == VIX_OK ? VIX_E_FAIL : error);
    return;
  }
  reply_fields (call, 7);
  encode_uint_of (&call->frame, "capacitySectors", info->capacity);
  encode_uint_of (&call->frame, "logicalSectorBytes",
                  has_sizes ? info->logicalSectorSize : 0);
  encode_uint_of (&call->frame, "physicalSectorBytes",
                  has_sizes ? info->physicalSectorSize : 0);
  encode_uint_of (&call->frame, "adapterType", (uint32_t)info->adapterType);
  encode_uint_of (&call->frame, "numLinks",
                  info->numLinks < 0 ? 0 : (uint32_t)info->numLinks);
  encode_text_of (&call->frame, "uuid", info->uuid);
  encode_text_of (&call->frame, "parentFileNameHint", info->parentFileNameHint);
  VIX_RUN (FreeInfo, info);
}

static void
encode_blocks (struct call *call, const VixDiskLibBlockList *list)
{
  reply_fields (call, 1);
  encode_text (&call->frame, "blocks");
  encode_array (&call->frame, 2 * (size_t)list->numBlocks);
  for (uint32_t i = 0; i < list->numBlocks; i++) {
    encode_uint (&call->frame, list->blocks[i].offset);
    encode_uint (&call->frame, list->blocks[i].length);
  }
}

void
query_allocated_blocks (struct call *call, VixDiskLibHandle handle)
{
  static const char function[] = "VixDiskLib_QueryAllocatedBlocks";
  uint64_t start, count, chunk;
  VixDiskLibBlockList *list = NULL;
  VixError error;

  if (!need_uint (call, "startSector", INT64_MAX, &start)
      || !need_uint (call, "nrSectors", INT64_MAX, &count)
      || !need_uint (call, "chunkSectors", INT64_MAX, &chunk))
    return;
  error = library.QueryAllocatedBlocks == NULL
              ? VIX_E_NOT_SUPPORTED
              : VIX_CALL (QueryAllocatedBlocks, handle, start, count, chunk,
                          &list);
  measure_bytes (VIX_FN_QueryAllocatedBlocks, count * VIXDISKLIB_SECTOR_SIZE);
  if (error == VIX_OK && (list == NULL || list->numBlocks > BLOCKS_MAX))
    error = VIX_E_FAIL;
  if (error != VIX_OK)
    reply_vix_error (call, function, error);
  else
    encode_blocks (call, list);
  if (list != NULL)
    VIX_RUN (FreeBlockList, list);
}
