/* SPDX-License-Identifier: BSD-3-Clause
 *
 * QueryAllocatedBlocks.  A chunk with any allocated sector is reported whole;
 * adjacent chunks are one block.
 */
#include "disk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static VixError
check_arguments (const struct disk *disk, uint64_t start, uint64_t nr,
                 uint64_t chunk)
{
  uint64_t whole;

  if (chunk < VIXDISKLIB_MIN_CHUNK_SIZE || start % chunk != 0 || nr % chunk != 0
      || nr == 0 || nr / chunk > VIXDISKLIB_MAX_CHUNK_NUMBER)
    return log_fail (VIX_E_INVALID_ARG,
                     "%s: allocated blocks can be asked for in 1 to %d whole "
                     "chunks of at least %d sectors",
                     disk->links[0].files->path, VIXDISKLIB_MAX_CHUNK_NUMBER,
                     VIXDISKLIB_MIN_CHUNK_SIZE);
  whole = disk->nr_sectors / chunk * chunk;
  if (start > whole || nr > whole - start)
    return log_fail (VIX_E_INVALID_ARG,
                     "%s: allocated blocks can be asked for up to the last "
                     "whole chunk, sector %" PRIu64,
                     disk->links[0].files->path, whole);
  return VIX_OK;
}

/* The list while it grows.  numBlocks is bounded by the number of chunks. */
struct growing_list {
  VixDiskLibBlockList *list;
  size_t room;
};

static size_t
list_bytes (size_t blocks)
{
  return offsetof (VixDiskLibBlockList, blocks)
         + (blocks ? blocks : 1) * sizeof (VixDiskLibBlock);
}

/* Adds [from, to), which begins at or behind the end of the last block. */
static VixError
append (struct growing_list *g, uint64_t from, uint64_t to)
{
  VixDiskLibBlockList *list = g->list;
  VixDiskLibBlock *last = NULL;

  if (list->numBlocks > 0)
    last = &list->blocks[list->numBlocks - 1];
  if (last && last->offset + last->length >= from) {
    if (to > last->offset + last->length)
      last->length = to - last->offset;
    return VIX_OK;
  }
  if (list->numBlocks == g->room) {
    list = realloc (list, list_bytes (g->room * 2));
    if (!list)
      return VIX_E_OUT_OF_MEMORY;
    g->list = list;
    g->room *= 2;
  }
  list->blocks[list->numBlocks++]
      = (VixDiskLibBlock){ .offset = from, .length = to - from };
  return VIX_OK;
}

static VixError
fill (struct disk *disk, struct growing_list *g, uint64_t start, uint64_t end,
      uint64_t chunk)
{
  uint64_t sector = start;
  VixError err = VIX_OK;

  while (err == VIX_OK && sector < end) {
    uint64_t n;
    bool allocated;

    err = disk_next_run (disk, sector, end - sector, &allocated, &n);
    if (err != VIX_OK)
      return err;
    sector += n;
    if (!allocated)
      continue;
    n = sector - n; /* the run's first sector */
    sector = (sector + chunk - 1) / chunk * chunk;
    err = append (g, n / chunk * chunk, sector);
  }
  return err;
}

VixError
disk_query (struct disk *disk, uint64_t start_sector, uint64_t nr_sectors,
            uint64_t chunk_sectors, VixDiskLibBlockList **out)
{
  struct growing_list g = { .room = 64 };
  VixError err;

  err = check_arguments (disk, start_sector, nr_sectors, chunk_sectors);
  if (err != VIX_OK)
    return err;
  g.list = calloc (1, list_bytes (g.room));
  if (!g.list)
    return VIX_E_OUT_OF_MEMORY;
  err = fill (disk, &g, start_sector, start_sector + nr_sectors, chunk_sectors);
  if (err != VIX_OK) {
    free (g.list);
    return err;
  }
  *out = g.list;
  return VIX_OK;
}
