/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opening a disk: its links from the top to the one that has no parent, each
 * of which must still be what its child was made of.
 */
#include "disk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "names.h"

static VixError
check_cycle (const struct disk *disk, const struct file *file,
             const char *child)
{
  for (size_t i = 0; i + 1 < disk->nr_links; i++)
    if (disk->links[i].files->dev == file->dev
        && disk->links[i].files->ino == file->ino)
      return log_fail (VIX_E_DISK_INVALIDCHAIN,
                       "%s: its parent, %s, is a link above it: the chain is "
                       "a cycle",
                       child, file->path);
  return VIX_OK;
}

static VixError
check_cid (const struct link *child, const struct link *parent)
{
  if (parent->descriptor->cid == child->descriptor->parent_cid)
    return VIX_OK;
  return log_fail (VIX_E_DISK_INVALIDCHAIN,
                   "%s: its parent, %s, was changed since this link was made: "
                   "it has the CID %08" PRIx32 ", not %08" PRIx32,
                   child->files->path, parent->files->path,
                   parent->descriptor->cid, child->descriptor->parent_cid);
}

/* A new link at the end of the chain, zero. */
static struct link *
add_link (struct disk *disk)
{
  struct link *links
      = realloc (disk->links, (disk->nr_links + 1) * sizeof *links);

  if (!links)
    return NULL;
  disk->links = links;
  memset (&links[disk->nr_links], 0, sizeof *links);
  return &links[disk->nr_links++];
}

static VixError
open_parent (struct disk *disk)
{
  const struct link *child = &disk->links[disk->nr_links - 1];
  const struct descriptor *d = child->descriptor;
  struct link *parent;
  char *path;
  VixError err;

  if (disk->nr_links == MAX_LINKS)
    return log_fail (VIX_E_DISK_INVALIDCHAIN,
                     "%s: the chain has more than %d links",
                     disk->links[0].files->path, MAX_LINKS);
  err = names_parent (child->files->path, d->parent_hint ? d->parent_hint : "",
                      d->encoding, &path);
  if (err != VIX_OK)
    return err;
  parent = add_link (disk);
  err = parent ? VIX_OK : VIX_E_OUT_OF_MEMORY;
  /* Looked at again: the array may have moved. */
  child = parent - 1;
  if (err == VIX_OK)
    err = link_open (parent, path, false);
  if (parent && parent->files && err == VIX_OK)
    err = check_cycle (disk, parent->files, child->files->path);
  if (err == VIX_OK)
    err = check_cid (child, parent);
  free (path);
  return err;
}

static bool
has_parent (const struct disk *disk)
{
  return disk->links[disk->nr_links - 1].descriptor->parent_cid
         != NO_PARENT_CID;
}

/* What a killed process had answered, and not committed. */
static VixError
recall (struct disk *disk)
{
  const struct link *top = &disk->links[0];
  const struct kill_record *records;
  size_t count;
  VixError err = VIX_OK;

  records = kill_log_records (disk->kill_log, &count);
  for (size_t i = 0; err == VIX_OK && i < count; i++) {
    struct extent *extent = NULL;

    if (records[i].extent < top->nr_extents)
      extent = top->extents[records[i].extent];
    if (extent && extent->ops->recall) {
      err = extent->ops->recall (extent, &records[i]);
      atomic_store (&extent->file->dirty, disk->writable);
    }
    else
      err = VIX_E_DISK_INVALIDDISK;
  }
  if (err == VIX_E_DISK_INVALIDDISK)
    return log_fail (err,
                     "%s: what a killed process left in %s does not fit the "
                     "disk; remove that file to open the disk as it was last "
                     "flushed",
                     top->files->path, kill_log_path (disk->kill_log));
  if (count > 0)
    log_debug ("%s: %zu changes of a killed process taken over from %s",
               top->files->path, count, kill_log_path (disk->kill_log));
  return err;
}

static VixError
open_links (struct disk *disk, const char *path, unsigned flags)
{
  struct link *top = add_link (disk);
  const struct below *below = NULL;
  VixError err;

  if (!top)
    return VIX_E_OUT_OF_MEMORY;
  err = link_open (top, path, disk->writable);
  while (err == VIX_OK && !(flags & DISK_SINGLE_LINK) && has_parent (disk))
    err = open_parent (disk);
  if (err != VIX_OK)
    return err;
  top = &disk->links[0];
  err = kill_log_open (top->files, top->descriptor->cid, &disk->kill_log);
  if (disk->nr_links > 1)
    below = &disk->below.below;
  for (size_t i = 0; err == VIX_OK && i < disk->nr_links; i++)
    err = link_open_extents (&disk->links[i], i == 0 ? below : NULL,
                             i == 0 ? disk->kill_log : NULL);
  if (err == VIX_OK)
    err = recall (disk);
  if (err == VIX_OK)
    disk->nr_sectors = top->nr_sectors;
  return err;
}

VixError
disk_open (const char *path, unsigned flags, struct disk **out)
{
  struct disk *disk = calloc (1, sizeof *disk);
  VixError err;

  if (!disk)
    return VIX_E_OUT_OF_MEMORY;
  disk->writable = flags & DISK_WRITABLE;
  pthread_rwlock_init (&disk->lock, NULL);
  pthread_mutex_init (&disk->first_write, NULL);
  disk_set_below (disk);
  err = open_links (disk, path, flags);
  if (err != VIX_OK) {
    disk_close (disk);
    return err;
  }
  *out = disk;
  return VIX_OK;
}
