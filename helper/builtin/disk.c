/* SPDX-License-Identifier: BSD-3-Clause
 *
 * I/O on an open disk: checks ranges and hands them to the extents.
 * (Opening is in disk-open.c.)
 */
#include "disk.h"

#include <inttypes.h>
#include <stdlib.h>

#include "log.h"

static VixError
check_range (const struct disk *disk, uint64_t sector, uint64_t nr_sectors)
{
  if (nr_sectors == 0)
    return log_fail (VIX_E_INVALID_ARG, "%s: a request of 0 sectors",
                     disk->files->path);
  if (sector > disk->nr_sectors || nr_sectors > disk->nr_sectors - sector)
    return log_fail (VIX_E_DISK_OUTOFRANGE,
                     "%s: a request for %" PRIu64 " sectors at %" PRIu64
                     " is outside the disk's %" PRIu64,
                     disk->files->path, nr_sectors, sector, disk->nr_sectors);
  return VIX_OK;
}

/* The extent that holds sector, which is inside the disk. */
static struct extent *
find_extent (const struct disk *disk, uint64_t sector)
{
  size_t low = 0;
  size_t high = disk->nr_extents - 1;

  while (low < high) {
    size_t middle = (low + high + 1) / 2;

    if (disk->extents[middle]->start_sector <= sector)
      low = middle;
    else
      high = middle - 1;
  }
  return disk->extents[low];
}

/* Makes *sector relative to its extent, and cuts *nr_sectors to the extent. */
static struct extent *
enter_extent (const struct disk *disk, uint64_t *sector, uint64_t *nr_sectors)
{
  struct extent *extent = find_extent (disk, *sector);
  uint64_t left;

  *sector -= extent->start_sector;
  left = extent->nr_sectors - *sector;
  if (*nr_sectors > left)
    *nr_sectors = left;
  return extent;
}

VixError
disk_read (struct disk *disk, uint64_t sector, uint64_t nr_sectors,
           uint8_t *buf)
{
  VixError err = check_range (disk, sector, nr_sectors);

  while (err == VIX_OK && nr_sectors > 0) {
    uint64_t at = sector;
    uint64_t n = nr_sectors;
    struct extent *extent = enter_extent (disk, &at, &n);

    err = extent->ops->read (extent, at, n, buf);
    sector += n;
    nr_sectors -= n;
    buf += n * VIXDISKLIB_SECTOR_SIZE;
  }
  return err;
}

VixError
disk_write (struct disk *disk, uint64_t sector, uint64_t nr_sectors,
            const uint8_t *buf)
{
  VixError err = check_range (disk, sector, nr_sectors);

  if (err == VIX_OK && !disk->writable)
    return log_fail (VIX_E_FILE_READ_ONLY, "%s: the disk is open read-only",
                     disk->files->path);
  while (err == VIX_OK && nr_sectors > 0) {
    uint64_t at = sector;
    uint64_t n = nr_sectors;
    struct extent *extent = enter_extent (disk, &at, &n);

    err = extent->ops->write (extent, at, n, buf);
    sector += n;
    nr_sectors -= n;
    buf += n * VIXDISKLIB_SECTOR_SIZE;
  }
  return err;
}

VixError
disk_flush (struct disk *disk)
{
  VixError first = VIX_OK;

  for (struct file *file = disk->files; file; file = file->next) {
    VixError err = file_flush (file);

    if (first == VIX_OK)
      first = err;
  }
  return first;
}

VixError
disk_next_run (struct disk *disk, uint64_t sector, uint64_t max_sectors,
               bool *allocated, uint64_t *nr_sectors)
{
  struct extent *extent = enter_extent (disk, &sector, &max_sectors);

  return extent->ops->next_run (extent, sector, max_sectors, allocated,
                                nr_sectors);
}

void
disk_close (struct disk *disk)
{
  struct file *next;

  for (size_t i = 0; i < disk->nr_extents; i++)
    disk->extents[i]->ops->close (disk->extents[i]);
  free (disk->extents);
  for (struct file *file = disk->files; file; file = next) {
    next = file->next;
    file_close (file);
  }
  if (disk->descriptor)
    descriptor_free (disk->descriptor);
  free (disk);
}
