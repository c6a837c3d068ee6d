/* SPDX-License-Identifier: BSD-3-Clause
 *
 * I/O on an open disk: checks ranges and hands them to the links.  What one
 * link lacks is asked of the next; the last one's gaps are zeroes.
 */
#include "disk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"

/* A write of up to 256 KiB into the page cache takes no longer than waking
 * another thread for it, which would only wait for the file's lock in turn.
 */
#define MAX_QUICK_SECTORS 512

/* A kernel that has too much to write makes writers wait.  Who met that lets
 * threads wait for the next writes.
 */
#define QUICK_WRITE_NS   (2 * 1000 * 1000)
#define SLOW_WRITES_NEXT 64

static const char *
path_of (const struct disk *disk)
{
  return disk->links[0].files->path;
}

VixError
disk_check_range (const struct disk *disk, uint64_t sector, uint64_t nr_sectors,
                  bool write)
{
  if (nr_sectors == 0)
    return log_fail (VIX_E_INVALID_ARG, "%s: a request of 0 sectors",
                     path_of (disk));
  if (sector > disk->nr_sectors || nr_sectors > disk->nr_sectors - sector)
    return log_fail (VIX_E_DISK_OUTOFRANGE,
                     "%s: a request for %" PRIu64 " sectors at %" PRIu64
                     " is outside the disk's %" PRIu64,
                     path_of (disk), nr_sectors, sector, disk->nr_sectors);
  if (write && !disk->writable)
    return log_fail (VIX_E_FILE_READ_ONLY, "%s: the disk is open read-only",
                     path_of (disk));
  return VIX_OK;
}

/* The number of sectors of a range that a link has: its parents may be
 * shorter.
 */
static uint64_t
sectors_in_link (const struct link *link, uint64_t sector, uint64_t nr_sectors)
{
  uint64_t left = sector < link->nr_sectors ? link->nr_sectors - sector : 0;

  return nr_sectors < left ? nr_sectors : left;
}

/* Reads from the link at index and those below it. */
static VixError
read_from (const struct disk *disk, size_t index, uint64_t sector,
           uint64_t nr_sectors, uint8_t *buf)
{
  const struct link *link = &disk->links[index];
  uint64_t inside = 0;
  VixError err = VIX_OK;

  if (index < disk->nr_links)
    inside = sectors_in_link (link, sector, nr_sectors);
  memset (buf + inside * VIXDISKLIB_SECTOR_SIZE, 0,
          (nr_sectors - inside) * VIXDISKLIB_SECTOR_SIZE);
  while (err == VIX_OK && inside > 0) {
    uint64_t at = sector;
    uint64_t n = inside;
    struct extent *extent = link_enter (link, &at, &n);
    struct span span;

    err = extent->ops->span (extent, at, n, &span);
    if (err != VIX_OK)
      return err;
    n = span.nr_sectors;
    if (span.kind == SPAN_DATA)
      err = extent->ops->read (extent, at, &span, buf);
    else if (span.kind == SPAN_ABSENT)
      err = read_from (disk, index + 1, sector, n, buf);
    else
      memset (buf, 0, n * VIXDISKLIB_SECTOR_SIZE);
    sector += n;
    inside -= n;
    buf += n * VIXDISKLIB_SECTOR_SIZE;
  }
  return err;
}

/* struct below's function: what is under the top link. */
static VixError
read_below (const struct below *below, uint64_t disk_sector,
            uint64_t nr_sectors, uint8_t *buf)
{
  const struct disk_below *b = (const struct disk_below *)below;

  return read_from (b->disk, 1, disk_sector, nr_sectors, buf);
}

VixError
disk_read (struct disk *disk, uint64_t sector, uint64_t nr_sectors,
           uint8_t *buf)
{
  VixError err = disk_check_range (disk, sector, nr_sectors, false);

  if (err != VIX_OK)
    return err;
  if (!file_nowait)
    pthread_rwlock_rdlock (&disk->lock);
  else if (pthread_rwlock_tryrdlock (&disk->lock) != 0)
    return FILE_WOULD_BLOCK;
  err = read_from (disk, 0, sector, nr_sectors, buf);
  pthread_rwlock_unlock (&disk->lock);
  return err;
}

/* Before the first write: children and other writers must see that this is no
 * longer the disk they know.
 */
static VixError
change_cid (struct disk *disk)
{
  const struct link *top = &disk->links[0];
  VixError err = VIX_OK;
  uint32_t cid;

  pthread_mutex_lock (&disk->first_write);
  if (!atomic_load (&disk->cid_changed)) {
    cid = cid_choose (top->descriptor->cid);
    kill_log_new_cid (disk->kill_log, cid, false);
    err = cid_write (&top->text, cid);
    if (err == VIX_OK) {
      kill_log_new_cid (disk->kill_log, cid, true);
      atomic_store (&disk->cid_changed, true);
    }
  }
  pthread_mutex_unlock (&disk->first_write);
  return err;
}

static VixError
write_extents (struct disk *disk, uint64_t sector, uint64_t nr_sectors,
               const uint8_t *buf)
{
  VixError err = VIX_OK;

  while (err == VIX_OK && nr_sectors > 0) {
    uint64_t at = sector;
    uint64_t n = nr_sectors;
    struct extent *extent = link_enter (&disk->links[0], &at, &n);

    if (extent->read_only && extent->file)
      return log_fail (VIX_E_FILE_READ_ONLY,
                       "%s: the descriptor forbids writing to this part of "
                       "the disk (RDONLY)",
                       extent->file->path);
    err = extent->ops->write (extent, at, n, buf);
    sector += n;
    nr_sectors -= n;
    buf += n * VIXDISKLIB_SECTOR_SIZE;
  }
  return err;
}

/* Data first, then what points to it, each made durable.  With the lock held
 * alone.
 */
static VixError
commit (struct disk *disk)
{
  const struct link *top = &disk->links[0];
  bool dirty = false;
  VixError err = VIX_OK;

  for (struct file *file = top->files; err == VIX_OK && file; file = file->next)
    err = file_flush (file);
  for (size_t i = 0; err == VIX_OK && i < top->nr_extents; i++) {
    struct extent *extent = top->extents[i];

    if (!extent->ops->is_dirty || !extent->ops->is_dirty (extent))
      continue;
    dirty = true;
    err = extent->ops->commit (extent);
  }
  if (err != VIX_OK || !dirty)
    return err;
  for (struct file *file = top->files; err == VIX_OK && file; file = file->next)
    err = file_flush (file);
  for (size_t i = 0; err == VIX_OK && i < top->nr_extents; i++)
    if (top->extents[i]->ops->committed)
      top->extents[i]->ops->committed (top->extents[i]);
  if (err == VIX_OK)
    kill_log_clear (disk->kill_log);
  return err;
}

VixError
disk_flush (struct disk *disk)
{
  VixError err;

  if (!disk->writable)
    return VIX_OK;
  pthread_rwlock_wrlock (&disk->lock);
  err = commit (disk);
  pthread_rwlock_unlock (&disk->lock);
  return err;
}

VixError
disk_settle (struct disk *disk)
{
  VixError err = VIX_OK;

  if (!kill_log_wants_commit (disk->kill_log))
    return VIX_OK;
  pthread_rwlock_wrlock (&disk->lock);
  /* Others may have committed while we waited. */
  if (kill_log_wants_commit (disk->kill_log))
    err = commit (disk);
  pthread_rwlock_unlock (&disk->lock);
  return err;
}

VixError
disk_write (struct disk *disk, uint64_t sector, uint64_t nr_sectors,
            const uint8_t *buf)
{
  VixError err = disk_check_range (disk, sector, nr_sectors, true);

  if (err != VIX_OK)
    return err;
  pthread_rwlock_rdlock (&disk->lock);
  if (!atomic_load (&disk->cid_changed))
    err = change_cid (disk);
  if (err == VIX_OK)
    err = write_extents (disk, sector, nr_sectors, buf);
  pthread_rwlock_unlock (&disk->lock);
  return err == VIX_OK ? disk_settle (disk) : err;
}

static uint64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Whether the write to come may take long.  Two threads may count as one. */
static bool
expect_slow (struct disk *disk)
{
  unsigned left = atomic_load (&disk->slow_writes);

  if (left > 0)
    atomic_store (&disk->slow_writes, left - 1);
  return left > 0;
}

VixError
disk_write_quickly (struct disk *disk, uint64_t sector, uint64_t nr_sectors,
                    const uint8_t *buf, bool *due)
{
  uint64_t started;
  VixError err;

  *due = false;
  if (nr_sectors > MAX_QUICK_SECTORS || disk->nr_links > 1
      || disk->links[0].extents[0]->is_slow || !atomic_load (&disk->cid_changed)
      || expect_slow (disk) || pthread_rwlock_tryrdlock (&disk->lock) != 0)
    return FILE_WOULD_BLOCK;
  started = now_ns ();
  err = write_extents (disk, sector, nr_sectors, buf);
  pthread_rwlock_unlock (&disk->lock);
  if (now_ns () - started > QUICK_WRITE_NS)
    atomic_store (&disk->slow_writes, SLOW_WRITES_NEXT);
  *due = err == VIX_OK && kill_log_wants_commit (disk->kill_log);
  return err;
}

static VixError
next_run_in (struct disk *disk, size_t index, uint64_t sector,
             uint64_t max_sectors, bool *allocated, uint64_t *nr_sectors)
{
  const struct link *link = &disk->links[index];
  uint64_t at = sector;
  uint64_t inside = 0;
  struct extent *extent;
  struct span span;
  VixError err;

  if (index < disk->nr_links)
    inside = sectors_in_link (link, sector, max_sectors);
  if (inside == 0) {
    *allocated = false;
    *nr_sectors = max_sectors;
    return VIX_OK;
  }
  extent = link_enter (link, &at, &inside);
  err = (extent->ops->map ? extent->ops->map
                          : extent->ops->span) (extent, at, inside, &span);
  if (err != VIX_OK)
    return err;
  if (span.kind == SPAN_ABSENT)
    return next_run_in (disk, index + 1, sector, span.nr_sectors, allocated,
                        nr_sectors);
  *allocated = span.kind == SPAN_DATA;
  *nr_sectors = span.nr_sectors;
  return VIX_OK;
}

VixError
disk_next_run (struct disk *disk, uint64_t sector, uint64_t max_sectors,
               bool *allocated, uint64_t *nr_sectors)
{
  VixError err;

  pthread_rwlock_rdlock (&disk->lock);
  err = next_run_in (disk, 0, sector, max_sectors, allocated, nr_sectors);
  pthread_rwlock_unlock (&disk->lock);
  return err;
}

const struct descriptor *
disk_descriptor (const struct disk *disk)
{
  return disk->links[0].descriptor;
}

void
disk_set_below (struct disk *disk)
{
  disk->below = (struct disk_below){ .below.read = read_below, .disk = disk };
}

/* The header says that all is well only if it is. */
static VixError
finish (struct disk *disk)
{
  const struct link *top = &disk->links[0];
  VixError err = commit (disk);

  for (size_t i = 0; err == VIX_OK && i < top->nr_extents; i++)
    if (top->extents[i]->ops->finish)
      err = top->extents[i]->ops->finish (top->extents[i]);
  for (struct file *file = top->files; err == VIX_OK && file; file = file->next)
    err = file_flush (file);
  return err;
}

VixError
disk_close (struct disk *disk)
{
  VixError err = VIX_OK;

  /* Even if nothing was written: there may be what a killed process left. */
  if (disk->writable && disk->nr_sectors > 0)
    err = finish (disk);
  for (size_t i = 0; i < disk->nr_links; i++)
    link_close (&disk->links[i]);
  free (disk->links);
  kill_log_close (disk->kill_log);
  pthread_rwlock_destroy (&disk->lock);
  pthread_mutex_destroy (&disk->first_write);
  free (disk);
  return err;
}
