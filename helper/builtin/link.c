/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opening a link of a disk: what kind of file it is, and whether this engine
 * can serve it.  All that a user can get wrong ends here in a sentence.  (Its
 * extents are opened in link-extents.c.)
 */
#include "link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "cowd.h"
#include "errors.h"
#include "lck.h"
#include "log.h"
#include "sesparse.h"
#include "sparse-header.h"

/* What is looked at to tell what a file is. */
#define SNIFF_BYTES 512

/* Disks whose descriptor is inside their only sparse file. */
static const char *const embedded_types[]
    = { "monolithicSparse", "streamOptimized" };

/* Disks with a descriptor of their own. */
static const char *const described_types[] = {
  "monolithicFlat",     "twoGbMaxExtentSparse",
  "2GbMaxExtentSparse", "twoGbMaxExtentFlat",
  "2GbMaxExtentFlat",   "vmfs",
  "vmfsPreallocated",   "vmfsEagerZeroedThick",
  "vmfsThin",           "vmfsSparse",
  "seSparse",           "custom",
};

/* Disks that are devices, or lie on them. */
static const char *const device_types[] = {
  "fullDevice",
  "partitionedDevice",
  "vmfsRaw",
  "vmfsRDM",
  "vmfsRawDeviceMap",
  "vmfsRDMP",
  "vmfsPassthroughRawDeviceMap",
};

static bool
is_one_of (const char *name, const char *const *names, size_t nr_names)
{
  for (size_t i = 0; i < nr_names; i++)
    if (strcasecmp (name, names[i]) == 0)
      return true;
  return false;
}

#define IS_ONE_OF(name, names)                                                 \
  is_one_of (name, names, sizeof (names) / sizeof (names)[0])

static VixError
refuse_part (const struct file *file)
{
  return log_fail (VIX_E_DISK_PARTIALCHAIN,
                   "%s: this is only one extent of a disk; open the "
                   "descriptor that names it",
                   file->path);
}

static VixError
refuse_file (const struct file *file, const uint8_t *head, size_t n)
{
  size_t text = 0;

  if (n == 0)
    return log_fail (VIX_E_INCORRECT_FILE_TYPE, "%s: the file is empty",
                     file->path);
  if (cowd_header_detect (head, n) || sesparse_header_detect (head, n))
    return refuse_part (file);
  if (n >= 4 && memcmp (head, "KDMV", 4) == 0)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the file is truncated: it has only %zu bytes",
                     file->path, n);
  while (text < n
         && (head[text] >= ' ' || head[text] == '\n' || head[text] == '\r'
             || head[text] == '\t'))
    text++;
  if (text == n)
    return log_fail (VIX_E_INCORRECT_FILE_TYPE,
                     "%s: this is a text file, but not the descriptor of a "
                     "VMDK",
                     file->path);
  return log_fail (VIX_E_INCORRECT_FILE_TYPE,
                   "%s: this is not a VMDK; if it is a raw image, convert it "
                   "first (qemu-img convert -O vmdk)",
                   file->path);
}

/* A disk that is written belongs in a directory that can be written: it may
 * be on read-only media, or was made read-only to protect it; permission
 * bits count for root too.
 */
static VixError
check_directory_writable (const char *path)
{
  char *directory = file_sibling (path, ".");
  struct statvfs vfs;
  struct stat st;
  VixError err = VIX_OK;

  if (!directory)
    return VIX_E_OUT_OF_MEMORY;
  if (stat (directory, &st) == -1 || statvfs (directory, &vfs) == -1)
    err = log_fail (error_from_errno (errno), "%s: %s", directory,
                    strerror (errno));
  else if ((st.st_mode & 0222) == 0 || (vfs.f_flag & ST_RDONLY))
    err = log_fail (VIX_E_FILE_ACCESS_ERROR,
                    "%s: its directory is read-only, so the disk can't be "
                    "opened for writing; use -r to open it read-only",
                    path);
  free (directory);
  return err;
}

/* Zeroes fill a descriptor's room.  A text file has room too: QEMU writes a new
 * CID into the old text, and when its number is shorter than the one before, a
 * zero ends the text and up to this much of the old end stays behind it.
 */
#define OLD_END_BYTES 8

/* The length of the text of a descriptor in a room of that length. */
static uint64_t
text_length (const char *text, uint64_t room, bool embedded)
{
  uint64_t length = strnlen (text, room);
  uint64_t end = room;

  while (end > length && text[end - 1] == '\0')
    end--;
  /* Zeroes amid a text file are damage: what is behind them is not dropped,
   * and the parser refuses them.
   */
  return embedded || end - length <= OLD_END_BYTES ? length : end;
}

/* Reads the descriptor in the room of that length and parses it. */
static VixError
read_descriptor (struct link *link, uint64_t offset, uint64_t room,
                 bool embedded)
{
  struct file *file = link->files;
  char *text = malloc (room);
  uint64_t length;
  VixError err;

  if (!text)
    return VIX_E_OUT_OF_MEMORY;
  err = file_read (file, text, room, offset);
  if (err != VIX_OK) {
    free (text);
    return err;
  }
  length = text_length (text, room, embedded);
  if (embedded && length == 0)
    err = refuse_part (file);
  else
    err = descriptor_parse (file->path, text, length, &link->descriptor);
  free (text);
  link->text = (struct text_place){
    .file = file,
    .offset = offset,
    .length = length,
    .room = embedded ? room : UINT64_MAX,
  };
  return err;
}

static VixError
load_descriptor (struct link *link, bool *embedded)
{
  struct file *file = link->files;
  uint8_t head[SNIFF_BYTES];
  size_t n = file->size < sizeof head ? file->size : sizeof head;
  struct sparse_header h;
  VixError err;

  err = file_read (file, head, n, 0);
  if (err != VIX_OK)
    return err;
  *embedded = sparse_header_detect (head, n);
  if (!*embedded) {
    if (!descriptor_detect ((const char *)head, n))
      return refuse_file (file, head, n);
    if (file->size > MAX_DESCRIPTOR_BYTES)
      return log_fail (VIX_E_DISK_INVALIDDISK,
                       "%s: the descriptor is larger than 1 MiB", file->path);
    return read_descriptor (link, 0, file->size, false);
  }
  err = sparse_header_read (file, &h);
  if (err != VIX_OK)
    return err;
  if (h.descriptor_sectors == 0)
    return refuse_part (file);
  return read_descriptor (link, h.descriptor_sector * VIXDISKLIB_SECTOR_SIZE,
                          h.descriptor_sectors * VIXDISKLIB_SECTOR_SIZE, true);
}

static VixError
check_type (const struct link *link, bool embedded)
{
  const char *type = link->descriptor->create_type;
  const char *path = link->files->path;
  bool inside = IS_ONE_OF (type, embedded_types);

  if (IS_ONE_OF (type, device_types))
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: the disk is a device (\"%s\"), which the built-in "
                     "engine does not open; give the device itself to a "
                     "server for raw disks",
                     path, type);
  if (!inside && !IS_ONE_OF (type, described_types))
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: subformat \"%s\" is not supported by the built-in "
                     "engine",
                     path, type);
  if (inside != embedded)
    return log_fail (
        VIX_E_DISK_INVALIDDISK, "%s: a %s disk has its descriptor %s", path,
        type, inside ? "inside its sparse file" : "in a file of its own");
  if (inside && link->descriptor->nr_extents != 1)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the descriptor is damaged: a %s disk has one extent",
                     path, type);
  return VIX_OK;
}

/* What the descriptor asks for that can't be served is named. */
static VixError
check_descriptor (const struct link *link)
{
  const struct descriptor *d = link->descriptor;
  const char *path = link->files->path;
  size_t locked = 0;

  if (d->encrypted)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: the disk is encrypted, which is not supported by "
                     "the built-in engine",
                     path);
  if (d->change_track_path && link->writable)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: the disk has changed block tracking (\"%s\"), which "
                     "the built-in engine can't keep up; use -r to open it "
                     "read-only",
                     path, d->change_track_path);
  for (size_t i = 0; i < d->nr_extents; i++) {
    if (d->extents[i].type == EXTENT_OTHER)
      return log_fail (VIX_E_DISK_NOTSUPPORTED,
                       "%s: extent type \"%s\" is not supported by the "
                       "built-in engine",
                       path, d->extents[i].type_name);
    locked += d->extents[i].access != ACCESS_RW;
  }
  if (link->writable && locked == d->nr_extents)
    return log_fail (VIX_E_FILE_ACCESS_ERROR,
                     "%s: the descriptor forbids writing to all extents "
                     "(RDONLY); use -r to open the disk read-only",
                     path);
  return VIX_OK;
}

VixError
link_open (struct link *link, const char *path, bool writable)
{
  bool embedded = false;
  VixError err;

  link->writable = writable;
  err = lck_check (path, writable);
  if (err == VIX_OK)
    err = file_open (path, writable, true, &link->files);
  if (err == VIX_OK)
    err = file_lock (link->files);
  if (err == VIX_OK)
    err = load_descriptor (link, &embedded);
  if (err == VIX_OK)
    err = check_type (link, embedded);
  if (err == VIX_OK)
    err = check_descriptor (link);
  if (err == VIX_OK && writable)
    err = check_directory_writable (path);
  return err;
}

void
link_close (struct link *link)
{
  struct file *next;

  for (size_t i = 0; i < link->nr_extents; i++)
    link->extents[i]->ops->close (link->extents[i]);
  free (link->extents);
  for (struct file *file = link->files; file; file = next) {
    next = file->next;
    file_close (file);
  }
  if (link->descriptor)
    descriptor_free (link->descriptor);
}

struct extent *
link_enter (const struct link *link, uint64_t *sector, uint64_t *nr_sectors)
{
  size_t low = 0;
  size_t high = link->nr_extents - 1;
  struct extent *extent;
  uint64_t left;

  while (low < high) {
    size_t middle = (low + high + 1) / 2;

    if (link->extents[middle]->start_sector <= *sector)
      low = middle;
    else
      high = middle - 1;
  }
  extent = link->extents[low];
  *sector -= extent->start_sector;
  left = extent->nr_sectors - *sector;
  if (*nr_sectors > left)
    *nr_sectors = left;
  return extent;
}
