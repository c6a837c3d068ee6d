/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opening the extents of a link: each file once, locked like the disk, and
 * none used for two things at the same place.
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "link.h"
#include "log.h"
#include "names.h"

/* Opens one more file of the link and locks it.  If the link has it already,
 * *shared says so, and it is not opened twice.
 */
static VixError
add_file (struct link *link, const char *path, bool writable, struct file **out,
          bool *shared)
{
  struct file **place = &link->files;
  struct file *file;
  VixError err;

  err = file_open (path, writable, config.allow_other_directories, &file);
  if (err != VIX_OK)
    return err;
  *shared = false;
  for (; *place; place = &(*place)->next)
    if ((*place)->dev == file->dev && (*place)->ino == file->ino) {
      file_close (file);
      *shared = true;
      *out = *place;
      return VIX_OK;
    }
  *place = file; /* link_close closes it from here on */
  *out = file;
  return file_lock (file);
}

/* Extents may share a file only if they are flat and apart, and none may be
 * the descriptor itself.  Extents before index are open.
 */
static VixError
check_shared_file (const struct link *link, const struct file *file,
                   size_t index)
{
  const struct descriptor_extent *all = link->descriptor->extents;
  const struct descriptor_extent *extent = &all[index];
  bool clash
      = file == link->files || extent->type != EXTENT_FLAT
        || (link->writable && extent->access == ACCESS_RW && !file->writable);

  for (size_t i = 0; i < index; i++)
    if (link->extents[i]->file == file
        && extent->offset_sector < all[i].offset_sector + all[i].nr_sectors
        && all[i].offset_sector < extent->offset_sector + extent->nr_sectors)
      clash = true;
  if (clash)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the descriptor is damaged: the file \"%s\" is used "
                     "twice",
                     link->files->path, extent->name);
  return VIX_OK;
}

static VixError
open_extent_file (struct link *link, size_t index, struct file **file)
{
  const struct descriptor *d = link->descriptor;
  const struct descriptor_extent *line = &d->extents[index];
  bool writable = link->writable && line->access == ACCESS_RW;
  bool shared;
  char *path;
  VixError err;

  err = names_extent (link->files->path, line->name, d->encoding, &path);
  if (err != VIX_OK)
    return err;
  err = add_file (link, path, writable, file, &shared);
  free (path);
  if (err == VIX_OK && shared)
    err = check_shared_file (link, *file, index);
  return err;
}

static VixError
open_in_file (const struct descriptor_extent *line, struct file *file,
              struct extent **out)
{
  switch (line->type) {
  case EXTENT_SPARSE:
    return hosted_open (file, line->nr_sectors, out);
  case EXTENT_COWD:
    return cowd_open (file, line->nr_sectors, out);
  case EXTENT_SESPARSE:
    return sesparse_open (file, line->nr_sectors, out);
  default:
    return flat_open (file, line->offset_sector, line->nr_sectors, out);
  }
}

/* The file of an embedded descriptor is the extent. */
static bool
is_embedded (const struct link *link)
{
  return link->text.room != UINT64_MAX;
}

static VixError
open_extent (struct link *link, size_t index, struct extent **out)
{
  const struct descriptor_extent *line = &link->descriptor->extents[index];
  const char *path = link->files->path;
  struct file *file = link->files;
  VixError err = VIX_OK;

  if (line->access == ACCESS_NOACCESS)
    return forbidden_open (path, line->nr_sectors, out);
  if (line->type == EXTENT_ZERO)
    return zero_open (path, line->nr_sectors, out);
  if (is_embedded (link)) {
    if (line->type != EXTENT_SPARSE)
      return log_fail (VIX_E_DISK_INVALIDDISK,
                       "%s: the descriptor is damaged: a %s disk has no %s "
                       "extents",
                       path, link->descriptor->create_type, line->type_name);
  }
  else
    err = open_extent_file (link, index, &file);
  return err == VIX_OK ? open_in_file (line, file, out) : err;
}

VixError
link_open_extents (struct link *link, const struct below *below,
                   struct kill_log *kill_log)
{
  const struct descriptor *d = link->descriptor;
  struct extent *extent;
  VixError err;

  link->extents = calloc (d->nr_extents, sizeof (struct extent *));
  if (!link->extents)
    return VIX_E_OUT_OF_MEMORY;
  for (size_t i = 0; i < d->nr_extents; i++) {
    err = open_extent (link, i, &extent);
    if (err != VIX_OK)
      return err;
    extent->index = i;
    extent->below = below;
    extent->kill_log = kill_log;
    extent->start_sector = link->nr_sectors;
    extent->read_only = d->extents[i].access != ACCESS_RW;
    link->extents[link->nr_extents++] = extent;
    link->nr_sectors += extent->nr_sectors;
  }
  return VIX_OK;
}
