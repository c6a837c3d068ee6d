/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The functions of the ABI that take a handle.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache.h"
#include "checks.h"
#include "complete.h"
#include "io.h"
#include "state.h"
#include "vintage.h"

VixError
VixDiskLib_Read (VixDiskLibHandle handle, VixDiskLibSectorType start_sector,
                 VixDiskLibSectorType nr_sectors, uint8_t *buf)
{
  struct request r = { .start_sector = start_sector,
                       .nr_sectors = nr_sectors,
                       .read_to = buf };

  return io_submit (handle, &r);
}

VixError
VixDiskLib_Write (VixDiskLibHandle handle, VixDiskLibSectorType start_sector,
                  VixDiskLibSectorType nr_sectors, const uint8_t *buf)
{
  struct request r = { .is_write = true,
                       .start_sector = start_sector,
                       .nr_sectors = nr_sectors,
                       .write_from = buf };

  return io_submit (handle, &r);
}

VixError
VixDiskLib_ReadAsync (VixDiskLibHandle handle,
                      VixDiskLibSectorType start_sector,
                      VixDiskLibSectorType nr_sectors, uint8_t *buf,
                      VixDiskLibCompletionCB callback, void *user_data)
{
  struct request r = { .start_sector = start_sector,
                       .nr_sectors = nr_sectors,
                       .read_to = buf,
                       .callback = callback,
                       .user_data = user_data };

  if (callback == NULL)
    breach ("ReadAsync without a callback");
  return io_submit (handle, &r);
}

VixError
VixDiskLib_WriteAsync (VixDiskLibHandle handle,
                       VixDiskLibSectorType start_sector,
                       VixDiskLibSectorType nr_sectors, const uint8_t *buf,
                       VixDiskLibCompletionCB callback, void *user_data)
{
  struct request r = { .is_write = true,
                       .start_sector = start_sector,
                       .nr_sectors = nr_sectors,
                       .write_from = buf,
                       .callback = callback,
                       .user_data = user_data };

  if (callback == NULL)
    breach ("WriteAsync without a callback");
  return io_submit (handle, &r);
}

VixError
VixDiskLib_Wait (VixDiskLibHandle handle)
{
  struct disk *disk = check_enter (handle);
  VixError error = faults_at (AT_WAIT, disk->connection, disk);

  complete_wait (disk);
  check_leave (disk);
  return error;
}

static VixError
flush (struct disk *disk)
{
  struct verdict v = faults_judge (AT_FLUSH, disk->connection, disk, 0, 0);

  faults_carry_out (&v, disk, NULL);
  if (v.delay_ns > 0)
    sleep_ns (v.delay_ns);
  if (v.is_flush_failure && disk->cache != NULL)
    atomic_fetch_add (&state->lost_bytes, cache_drop (disk->cache));
  if (v.error != VIX_OK)
    return v.error;
  if (disk->cache != NULL && !cache_write_back (disk->cache))
    return VIX_E_FILE_ERROR;
  return VIX_OK;
}

VixError
VixDiskLib_Flush (VixDiskLibHandle handle)
{
  struct disk *disk = check_enter (handle);
  VixError error = flush (disk);

  check_leave (disk);
  return error;
}

static const char *
setting (const char *name, const char *preset)
{
  const char *value = getenv (name);

  return value == NULL || *value == '\0' ? preset : value;
}

const char *
VixDiskLib_GetTransportMode (VixDiskLibHandle handle)
{
  struct disk *disk;

  if (handle == NULL)
    return NULL;
  disk = check_enter (handle);
  check_leave (disk);
  return setting ("FAULT_TRANSPORT", "file");
}

static uint32_t
sector_bytes (const char *name, const char *preset)
{
  const char *text = setting (name, preset);

  if (strcmp (text, "512") != 0 && strcmp (text, "4096") != 0)
    misuse ("%s is 512 or 4096, not %s", name, text);
  return (uint32_t)atoi (text);
}

VixError
VixDiskLib_GetInfo (VixDiskLibHandle handle, VixDiskLibInfo **info)
{
  struct disk *disk = check_enter (handle);
  VixError error = faults_at (AT_GET_INFO, disk->connection, disk);
  uint64_t cylinders = disk->nr_sectors / (255 * 63);
  const VixDiskLibGeometry geometry
      = { cylinders > 65535 ? 65535 : (uint32_t)cylinders, 255, 63 };
  VixDiskLibInfo *i;

  if (error == VIX_OK) {
    /* Before 7 the structure ends there: reading on is the caller's error,
     * which sanitizers see.
     */
    i = calloc (1, vintage >= 70
                       ? sizeof *i
                       : offsetof (VixDiskLibInfo, logicalSectorSize));
    if (i == NULL)
      misuse ("out of memory");
    i->biosGeo = i->physGeo = geometry;
    i->capacity = disk->nr_sectors;
    i->adapterType = VIXDISKLIB_ADAPTER_SCSI_LSILOGIC;
    i->numLinks = 1;
    i->uuid = strdup (setting ("FAULT_UUID", "60 00 c2 90 00 00 00 00-"
                                             "00 00 00 00 00 00 00 00"));
    if (vintage >= 70) {
      i->logicalSectorSize = sector_bytes ("FAULT_LOGICAL_SECTOR", "512");
      i->physicalSectorSize = sector_bytes ("FAULT_PHYSICAL_SECTOR", "4096");
    }
    *info = i;
  }
  check_leave (disk);
  return error;
}

void
VixDiskLib_FreeInfo (VixDiskLibInfo *info)
{
  free (info->uuid);
  free (info);
}

/* Appends a run of sectors, or makes the last one longer. */
static VixDiskLibBlockList *
append (VixDiskLibBlockList *list, uint64_t begin, uint64_t end)
{
  VixDiskLibBlock *last = &list->blocks[list->numBlocks];

  if (list->numBlocks > 0 && last[-1].offset + last[-1].length == begin) {
    last[-1].length += end - begin;
    return list;
  }
  *last = (VixDiskLibBlock){ begin, end - begin };
  list->numBlocks++;
  list = realloc (list, sizeof *list + list->numBlocks * sizeof *last);
  if (list == NULL)
    misuse ("out of memory");
  return list;
}

/* What the file system has allocated, in whole chunks; everything, if some of
 * it is not yet in the file.
 */
static VixDiskLibBlockList *
allocated (const struct disk *disk, uint64_t start, uint64_t end,
           uint64_t chunk)
{
  VixDiskLibBlockList *list = calloc (1, sizeof *list);
  uint64_t at = start;

  if (list == NULL)
    misuse ("out of memory");
  if (disk->cache != NULL && cache_bytes (disk->cache) > 0)
    return append (list, start, end);
  while (at < end) {
    off_t data
        = lseek (disk->fd, (off_t)(at * VIXDISKLIB_SECTOR_SIZE), SEEK_DATA);
    off_t hole = data == -1 ? -1 : lseek (disk->fd, data, SEEK_HOLE);
    uint64_t from, to, hole_sector;

    if (hole == -1)
      break;
    from = (uint64_t)data / VIXDISKLIB_SECTOR_SIZE / chunk * chunk;
    hole_sector = ((uint64_t)hole + VIXDISKLIB_SECTOR_SIZE - 1)
                  / VIXDISKLIB_SECTOR_SIZE;
    to = (hole_sector + chunk - 1) / chunk * chunk;
    if (from >= end)
      break;
    list = append (list, from > at ? from : at, to < end ? to : end);
    at = to;
  }
  return list;
}

VixError
VixDiskLib_QueryAllocatedBlocks (VixDiskLibHandle handle,
                                 VixDiskLibSectorType start_sector,
                                 VixDiskLibSectorType nr_sectors,
                                 VixDiskLibSectorType chunk_size,
                                 VixDiskLibBlockList **block_list)
{
  struct disk *disk;
  VixError error;

  check_thread ("QueryAllocatedBlocks");
  disk = check_enter (handle);
  check_chunks (start_sector, nr_sectors, chunk_size);
  error = faults_at (AT_QUERY_ALLOCATED_BLOCKS, disk->connection, disk);
  if (error == VIX_OK
      && (start_sector > disk->nr_sectors
          || nr_sectors > disk->nr_sectors - start_sector))
    error = VIX_E_INVALID_ARG;
  if (error == VIX_OK)
    *block_list
        = allocated (disk, start_sector, start_sector + nr_sectors, chunk_size);
  check_leave (disk);
  return error;
}

VixError
VixDiskLib_FreeBlockList (VixDiskLibBlockList *block_list)
{
  free (block_list);
  return VIX_OK;
}
