/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opening a disk: what kind of file it is, whether this engine can serve it,
 * and its extents.  All that a user can get wrong ends here in a sentence.
 */
#include "disk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "errors.h"
#include "log.h"
#include "sparse-header.h"

/* What is looked at to tell what a file is. */
#define SNIFF_BYTES 512

/* The subformats that are served. */
static const struct kind {
  const char *create_type;
  bool embedded; /* the descriptor is inside the sparse file */
  bool read_only;
  enum extent_type extent;
} kinds[] = {
  { "monolithicSparse", true, false, EXTENT_SPARSE },
  { "streamOptimized", true, true, EXTENT_SPARSE },
  { "monolithicFlat", false, false, EXTENT_FLAT },
  { "twoGbMaxExtentSparse", false, false, EXTENT_SPARSE },
  { "2GbMaxExtentSparse", false, false, EXTENT_SPARSE },
  { "twoGbMaxExtentFlat", false, false, EXTENT_FLAT },
  { "2GbMaxExtentFlat", false, false, EXTENT_FLAT },
};

static VixError
refuse_subformat (const char *path, const char *name)
{
  return log_fail (VIX_E_DISK_NOTSUPPORTED,
                   "%s: subformat \"%s\" is not supported by the built-in "
                   "engine",
                   path, name);
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

/* Opens one more file of the disk and locks it.  If the disk has it already,
 * *shared says so, and it is not opened twice.
 */
static VixError
add_file (struct disk *disk, const char *path, struct file **out, bool *shared)
{
  struct file **link = &disk->files;
  struct file *file;
  VixError err;

  err = file_open (path, disk->writable, disk->files == NULL, &file);
  if (err != VIX_OK)
    return err;
  *shared = false;
  for (; *link; link = &(*link)->next)
    if ((*link)->dev == file->dev && (*link)->ino == file->ino) {
      file_close (file);
      *shared = true;
      *out = *link;
      return VIX_OK;
    }
  *link = file; /* disk_close closes it from here on */
  *out = file;
  return file_lock (file);
}

static VixError
refuse_file (const struct file *file, const uint8_t *head, size_t n)
{
  static const uint8_t sesparse_magic[] = { 0xbe, 0xba, 0xfe, 0xca, 0, 0 };
  size_t text = 0;

  if (n == 0)
    return log_fail (VIX_E_INCORRECT_FILE_TYPE, "%s: the file is empty",
                     file->path);
  if (n >= 4 && memcmp (head, "COWD", 4) == 0)
    return refuse_subformat (file->path, "vmfsSparse");
  if (n >= 6 && memcmp (head, sesparse_magic, 6) == 0)
    return refuse_subformat (file->path, "seSparse");
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

static VixError
refuse_extent (const struct file *file)
{
  return log_fail (VIX_E_DISK_PARTIALCHAIN,
                   "%s: this is only one extent of a disk; open the "
                   "descriptor that names it",
                   file->path);
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

/* Reads the descriptor of length bytes at offset and parses it. */
static VixError
read_descriptor (struct disk *disk, struct file *file, uint64_t offset,
                 uint64_t length, bool embedded)
{
  char *text = malloc (length);
  VixError err;

  if (!text)
    return VIX_E_OUT_OF_MEMORY;
  err = file_read (file, text, length, offset);
  if (err != VIX_OK) {
    free (text);
    return err;
  }
  length = text_length (text, length, embedded);
  if (embedded && length == 0)
    err = refuse_extent (file);
  else
    err = descriptor_parse (file->path, text, length, &disk->descriptor);
  free (text);
  return err;
}

static VixError
load_descriptor (struct disk *disk, struct file *file, bool *embedded)
{
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
    return read_descriptor (disk, file, 0, file->size, false);
  }
  err = sparse_header_read (file, &h);
  if (err != VIX_OK)
    return err;
  if (h.descriptor_sectors == 0)
    return refuse_extent (file);
  return read_descriptor (disk, file,
                          h.descriptor_sector * VIXDISKLIB_SECTOR_SIZE,
                          h.descriptor_sectors * VIXDISKLIB_SECTOR_SIZE, true);
}

static VixError
check_extent_line (const struct disk *disk, const struct kind *kind,
                   const struct descriptor_extent *extent)
{
  const char *path = disk->files->path;

  if (extent->type == EXTENT_OTHER)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: extent type \"%s\" is not supported by the built-in "
                     "engine",
                     path, extent->type_name);
  if (extent->type != kind->extent)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the descriptor is damaged: a %s disk has no %s "
                     "extents",
                     path, kind->create_type, extent->type_name);
  if (extent->access == ACCESS_NOACCESS)
    return log_fail (VIX_E_FILE_ACCESS_ERROR,
                     "%s: the descriptor forbids access to an extent "
                     "(NOACCESS)",
                     path);
  if (extent->access == ACCESS_RDONLY && disk->writable)
    return log_fail (VIX_E_FILE_ACCESS_ERROR,
                     "%s: the descriptor forbids writing to an extent "
                     "(RDONLY); use -r to open the disk read-only",
                     path);
  return VIX_OK;
}

static const struct kind *
find_kind (const char *create_type)
{
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (strcasecmp (create_type, kinds[i].create_type) == 0)
      return &kinds[i];
  return NULL;
}

/* What the descriptor asks for that can't be served is named. */
static VixError
check_descriptor (const struct disk *disk, const struct kind *kind)
{
  const struct descriptor *d = disk->descriptor;
  const char *path = disk->files->path;
  VixError err = VIX_OK;

  if (d->encrypted)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: the disk is encrypted, which is not supported by "
                     "the built-in engine",
                     path);
  if (d->parent_cid != NO_PARENT_CID)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: the disk is a delta link with the parent \"%s\"; "
                     "chains are not supported by the built-in engine",
                     path, d->parent_hint ? d->parent_hint : "");
  if (d->change_track_path && disk->writable)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: the disk has changed block tracking (\"%s\"), which "
                     "the built-in engine can't keep up; use -r to open it "
                     "read-only",
                     path, d->change_track_path);
  if (kind->read_only && disk->writable)
    return log_fail (VIX_E_DISK_NOTSUPPORTED,
                     "%s: subformat \"%s\" can't be written; use -r to open "
                     "it read-only, or convert it first",
                     path, kind->create_type);
  for (size_t i = 0; err == VIX_OK && i < d->nr_extents; i++)
    err = check_extent_line (disk, kind, &d->extents[i]);
  return err;
}

/* Extents may share a file only if they are flat and apart, and none may be
 * the descriptor itself.  Extents before index are open.
 */
static VixError
check_shared_file (const struct disk *disk, const struct file *file,
                   size_t index)
{
  const struct descriptor_extent *all = disk->descriptor->extents;
  const struct descriptor_extent *extent = &all[index];
  bool clash = file == disk->files || extent->type != EXTENT_FLAT;

  for (size_t i = 0; i < index; i++)
    if (disk->extents[i]->file == file
        && extent->offset_sector < all[i].offset_sector + all[i].nr_sectors
        && all[i].offset_sector < extent->offset_sector + extent->nr_sectors)
      clash = true;
  if (clash)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the descriptor is damaged: the file \"%s\" is used "
                     "twice",
                     disk->files->path, extent->name);
  return VIX_OK;
}

/* The file of the extent at index, which lies beside the descriptor. */
static VixError
open_extent_file (struct disk *disk, size_t index, struct file **file)
{
  const char *name = disk->descriptor->extents[index].name;
  bool shared;
  char *path;
  VixError err;

  if (*name == '\0' || strpbrk (name, "/\\"))
    return log_fail (VIX_E_FILE_NAME_INVALID,
                     "%s: the extent \"%s\" is not in the directory of the "
                     "descriptor; put it there and name it without a path",
                     disk->files->path, name);
  path = file_sibling (disk->files->path, name);
  if (!path)
    return VIX_E_OUT_OF_MEMORY;
  err = add_file (disk, path, file, &shared);
  free (path);
  if (err == VIX_OK && shared)
    err = check_shared_file (disk, *file, index);
  return err;
}

static VixError
open_extents (struct disk *disk, const struct kind *kind)
{
  const struct descriptor *d = disk->descriptor;
  struct file *file = disk->files;
  struct extent *extent;
  VixError err = VIX_OK;

  if (kind->embedded && d->nr_extents != 1)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the descriptor is damaged: a %s disk has one extent",
                     file->path, kind->create_type);
  disk->extents = calloc (d->nr_extents, sizeof (struct extent *));
  if (!disk->extents)
    return VIX_E_OUT_OF_MEMORY;
  for (size_t i = 0; i < d->nr_extents; i++) {
    const struct descriptor_extent *line = &d->extents[i];

    if (!kind->embedded)
      err = open_extent_file (disk, i, &file);
    if (err == VIX_OK && line->type == EXTENT_FLAT)
      err = flat_open (file, line->offset_sector, line->nr_sectors, &extent);
    else if (err == VIX_OK)
      err = sparse_open (file, line->nr_sectors, &extent);
    if (err != VIX_OK)
      return err;
    extent->start_sector = disk->nr_sectors;
    disk->extents[disk->nr_extents++] = extent;
    disk->nr_sectors += extent->nr_sectors;
  }
  return VIX_OK;
}

static VixError
open_into (struct disk *disk, const char *path)
{
  const struct kind *kind;
  struct file *file;
  bool embedded, shared;
  VixError err;

  err = add_file (disk, path, &file, &shared);
  if (err == VIX_OK)
    err = load_descriptor (disk, file, &embedded);
  if (err != VIX_OK)
    return err;
  kind = find_kind (disk->descriptor->create_type);
  if (!kind)
    return refuse_subformat (path, disk->descriptor->create_type);
  err = check_descriptor (disk, kind);
  if (err != VIX_OK)
    return err;
  if (kind->embedded != embedded)
    return log_fail (
        VIX_E_DISK_INVALIDDISK, "%s: a %s disk has its descriptor %s", path,
        kind->create_type,
        kind->embedded ? "inside its sparse file" : "in a file of its own");
  if (disk->writable)
    err = check_directory_writable (path);
  if (err == VIX_OK)
    err = open_extents (disk, kind);
  return err;
}

VixError
disk_open (const char *path, bool writable, struct disk **out)
{
  struct disk *disk = calloc (1, sizeof *disk);
  VixError err;

  if (!disk)
    return VIX_E_OUT_OF_MEMORY;
  disk->writable = writable;
  err = open_into (disk, path);
  if (err != VIX_OK) {
    disk_close (disk);
    return err;
  }
  *out = disk;
  return VIX_OK;
}
