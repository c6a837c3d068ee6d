/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Making new disks: which files a kind of disk has, and making them all.  The
 * descriptor's file is the last to be written, so that a disk that is there is
 * whole; on an error everything is removed again.
 */
#include "create.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "descriptor.h"
#include "log.h"

/* The extents of split disks, as VMware cuts them. */
#define SPLIT_SPARSE_SECTORS 4192256
#define SPLIT_FLAT_SECTORS   4193792

/* Tables hold 32-bit sector numbers: the file ends there. */
#define MAX_TABLE_SECTORS (UINT64_C (1) << 32)

static const struct kind {
  VixDiskLibDiskType type;
  const char *create_type;
  const char *extent_type;
  const char *suffix; /* of the extent's file; NULL if it is the disk itself */
  uint64_t split_sectors;
  bool has_offset;
  bool thin;
} kinds[] = {
  { VIXDISKLIB_DISK_MONOLITHIC_SPARSE, "monolithicSparse", "SPARSE", NULL, 0,
    false, false },
  { VIXDISKLIB_DISK_MONOLITHIC_FLAT, "monolithicFlat", "FLAT", "-flat", 0, true,
    false },
  { VIXDISKLIB_DISK_SPLIT_SPARSE, "twoGbMaxExtentSparse", "SPARSE", "-s",
    SPLIT_SPARSE_SECTORS, false, false },
  { VIXDISKLIB_DISK_SPLIT_FLAT, "twoGbMaxExtentFlat", "FLAT", "-f",
    SPLIT_FLAT_SECTORS, true, false },
  { VIXDISKLIB_DISK_VMFS_FLAT, "vmfs", "VMFS", "-flat", 0, false, false },
  { VIXDISKLIB_DISK_STREAM_OPTIMIZED, "streamOptimized", "SPARSE", NULL, 0,
    false, false },
  { VIXDISKLIB_DISK_VMFS_THIN, "vmfs", "VMFS", "-flat", 0, false, true },
  { VIXDISKLIB_DISK_VMFS_SPARSE, "vmfsSparse", "VMFSSPARSE", "-delta", 0, false,
    false },
};

static VixError
too_large (const struct new_disk *disk, const char *why)
{
  return log_fail (VIX_E_FILE_TOO_BIG,
                   "%s: a %s disk can't have %" PRIu64 " sectors: %s",
                   disk->path, disk->create_type, disk->params->capacity, why);
}

static VixError
check_size (const struct new_disk *disk, const struct kind *kind)
{
  uint64_t capacity = disk->params->capacity;
  uint64_t overhead = 0;

  if (capacity == 0)
    return log_fail (VIX_E_INVALID_ARG, "%s: a disk needs at least 1 sector",
                     disk->path);
  if (capacity > MAX_CREATED_SECTORS)
    return too_large (disk, "the largest disk has 62 TiB");
  if (kind->split_sectors > 0) {
    if (capacity > kind->split_sectors * MAX_EXTENTS)
      return too_large (disk, "it would have more than 4096 extents");
    return VIX_OK;
  }
  if (kind->type == VIXDISKLIB_DISK_MONOLITHIC_SPARSE)
    overhead = create_sparse_overhead (capacity, true);
  else if (kind->type == VIXDISKLIB_DISK_STREAM_OPTIMIZED
           || kind->type == VIXDISKLIB_DISK_VMFS_SPARSE)
    overhead = capacity / 64; /* more than markers and tables can take */
  else
    return VIX_OK;
  if (capacity + overhead > MAX_TABLE_SECTORS)
    return too_large (disk, "its tables reach 2 TiB of file, with themselves; "
                            "create a flat or split disk");
  return VIX_OK;
}

/* path's last component, and its length without ".vmdk". */
static const char *
base_name (const char *path, size_t *stem)
{
  const char *slash = strrchr (path, '/');
  const char *base = slash ? slash + 1 : path;
  size_t n = strlen (base);

  *stem = n > 5 && strcasecmp (base + n - 5, ".vmdk") == 0 ? n - 5 : n;
  return base;
}

static VixError
name_extent (const struct new_disk *disk, const struct kind *kind, size_t index,
             char **out)
{
  size_t stem;
  const char *base = base_name (disk->path, &stem);
  int r;

  if (*base == '\0' || strpbrk (base, "\"\n\r"))
    return log_fail (VIX_E_FILE_NAME_INVALID,
                     "%s: the name of a disk can't be empty or have quotes or "
                     "line ends in it",
                     disk->path);
  if (!kind->suffix)
    r = asprintf (out, "%s", base);
  else if (kind->split_sectors > 0)
    r = asprintf (out, "%.*s%s%03zu.vmdk", (int)stem, base, kind->suffix,
                  index + 1);
  else
    r = asprintf (out, "%.*s%s.vmdk", (int)stem, base, kind->suffix);
  if (r == -1) {
    *out = NULL;
    return VIX_E_OUT_OF_MEMORY;
  }
  return VIX_OK;
}

static VixError
plan (struct new_disk *disk, const struct kind *kind)
{
  uint64_t piece = kind->split_sectors;
  uint64_t left = disk->params->capacity;
  VixError err = VIX_OK;
  size_t n;

  disk->create_type = kind->create_type;
  disk->thin = kind->thin;
  err = check_size (disk, kind);
  if (err != VIX_OK)
    return err;
  if (piece == 0)
    piece = left;
  n = (left + piece - 1) / piece;
  disk->extents = calloc (n, sizeof *disk->extents);
  if (!disk->extents)
    return VIX_E_OUT_OF_MEMORY;
  for (; err == VIX_OK && disk->nr_extents < n; left -= piece) {
    struct new_extent *e = &disk->extents[disk->nr_extents];

    if (piece > left)
      piece = left;
    e->nr_sectors = piece;
    e->type = kind->extent_type;
    e->has_offset = kind->has_offset;
    err = name_extent (disk, kind, disk->nr_extents++, &e->name);
  }
  return err;
}

static VixError
fill (struct file *file, const struct new_disk *disk, const struct kind *kind,
      const struct new_extent *extent, const char *text)
{
  const struct new_sparse sparse = {
    .capacity = extent->nr_sectors,
    .text = kind->suffix ? NULL : text,
    .stream = kind->type == VIXDISKLIB_DISK_STREAM_OPTIMIZED,
  };

  if (strcmp (kind->extent_type, "SPARSE") == 0)
    return create_sparse (file, &sparse);
  if (kind->type == VIXDISKLIB_DISK_VMFS_SPARSE)
    return create_cowd (file, disk->params->capacity);
  return file_resize (file, extent->nr_sectors * VIXDISKLIB_SECTOR_SIZE);
}

/* Makes the extent at index; *made counts it as soon as its file is there. */
static VixError
make_extent (const struct new_disk *disk, const struct kind *kind, size_t index,
             const char *text, size_t *made)
{
  char *path = file_sibling (disk->path, disk->extents[index].name);
  struct file *file;
  VixError err;

  if (!path)
    return VIX_E_OUT_OF_MEMORY;
  err = file_create (path, &file);
  free (path);
  if (err != VIX_OK)
    return err;
  ++*made;
  err = fill (file, disk, kind, &disk->extents[index], text);
  if (err == VIX_OK)
    err = file_flush (file);
  file_close (file);
  return err;
}

/* Removes the first nr extents again. */
static void
remove_extents (const struct new_disk *disk, size_t nr)
{
  for (size_t i = 0; i < nr; i++) {
    char *path = file_sibling (disk->path, disk->extents[i].name);

    if (path)
      unlink (path);
    free (path);
  }
}

static VixError
make_extents (const struct new_disk *disk, const struct kind *kind,
              const char *text, VixDiskLibProgressFunc progress,
              void *progress_data)
{
  VixError err = VIX_OK;
  size_t made = 0;

  for (size_t i = 0; err == VIX_OK && i < disk->nr_extents; i++) {
    err = make_extent (disk, kind, i, text, &made);
    if (err == VIX_OK && progress
        && !progress (progress_data, (int)((i + 1) * 100 / disk->nr_extents)))
      err = VIX_E_CANCELLED;
  }
  if (err == VIX_OK)
    err = file_flush_directory (disk->path);
  if (err != VIX_OK)
    remove_extents (disk, made);
  return err;
}

/* A disk with a descriptor of its own: its name is taken first, so that two
 * who create it don't mix, and its text is written last.
 */
static VixError
make_described (const struct new_disk *disk, const struct kind *kind,
                const char *text, VixDiskLibProgressFunc progress,
                void *progress_data)
{
  struct file *file;
  VixError err = file_create (disk->path, &file);

  if (err != VIX_OK)
    return err;
  err = make_extents (disk, kind, text, progress, progress_data);
  if (err == VIX_OK) {
    err = file_write (file, text, strlen (text), 0);
    if (err == VIX_OK)
      err = file_flush (file);
    if (err != VIX_OK)
      remove_extents (disk, disk->nr_extents);
  }
  if (err != VIX_OK)
    unlink (disk->path);
  file_close (file);
  return err;
}

VixError
disk_create (const char *path, const VixDiskLibCreateParams *params,
             VixDiskLibProgressFunc progress, void *progress_data)
{
  struct new_disk disk = { .params = params, .path = path };
  const struct kind *kind = NULL;
  char *text = NULL;
  VixError err;

  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (kinds[i].type == params->diskType)
      kind = &kinds[i];
  if (!kind)
    return log_fail (VIX_E_INVALID_ARG, "%s: there is no disk type %d", path,
                     (int)params->diskType);
  err = plan (&disk, kind);
  if (err == VIX_OK && !(text = create_text (&disk)))
    err = VIX_E_OUT_OF_MEMORY;
  if (err == VIX_OK && kind->suffix)
    err = make_described (&disk, kind, text, progress, progress_data);
  else if (err == VIX_OK)
    err = make_extents (&disk, kind, text, progress, progress_data);
  free (text);
  for (size_t i = 0; i < disk.nr_extents; i++)
    free (disk.extents[i].name);
  free (disk.extents);
  return err;
}
