/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the fuzz targets share that damage a valid image.
 */
#include "fuzz-image.h"

#include "../disk.h"
#include "check.h"

#define SECTOR VIXDISKLIB_SECTOR_SIZE

/* The target's own byte, and how much is cut off. */
#define FUZZ_MIN_BYTES 3

/* Sectors of one request. */
#define REQUEST 64

static uint8_t buffer[REQUEST * SECTOR];

static void
damage (struct image *image, const uint8_t *data, size_t size)
{
  size_t cut;

  cut = data[1] + data[2] * 256U;
  if (cut < image->size)
    image->size -= cut;
  data += 3;
  size -= 3;
  while (size > 3) {
    size_t offset = (data[0] + data[1] * 256U) % IMAGE_MAX_BYTES;
    size_t length = data[2];

    data += 3;
    size -= 3;
    if (length > size)
      length = size;
    if (length > IMAGE_MAX_BYTES - offset)
      length = IMAGE_MAX_BYTES - offset;
    memcpy (image->bytes + offset, data, length);
    data += length;
    size -= length;
  }
}

static void
use (struct disk *disk)
{
  const uint64_t nr = disk->nr_sectors;
  const uint64_t places[] = { 0, 20, nr / 3, IMAGE_TABLE_SECTORS - 30, nr - 1 };
  VixDiskLibBlockList *list;

  CHECK (nr > 0);
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    uint64_t left = places[i] < nr ? nr - places[i] : 0;
    uint64_t n = left < REQUEST ? left : REQUEST;

    if (n == 0)
      continue;
    disk_read (disk, places[i], n, buffer);
    memset (buffer, 0x66, sizeof buffer);
    if (disk->writable)
      disk_write (disk, places[i], n, buffer);
  }
  if (nr >= 1024 && disk_query (disk, 0, 1024, 128, &list) == VIX_OK)
    free (list);
}

void
fuzz_use (const char *path, bool writable)
{
  struct disk *disk;

  if (disk_open (path, writable, &disk) != VIX_OK)
    return;
  use (disk);
  disk_close (disk);
}

void
fuzz_hosted (enum image_kind kind, const uint8_t *data, size_t size)
{
  static const char *path;
  static struct image image;

  if (!path)
    path = image_path ("image.vmdk");
  if (size < FUZZ_MIN_BYTES)
    return;
  for (int writable = 0; writable < 2; writable++) {
    image_make (&image, kind);
    damage (&image, data, size);
    image_store (&image, path);
    fuzz_use (path, writable);
  }
}

void
fuzz_esx (enum esx_kind kind, bool may_write, const uint8_t *data, size_t size)
{
  static const char *path;
  static const char *extent;
  static struct image image;

  if (!path) {
    path = image_path ("disk.vmdk");
    extent = image_path ("extent.vmdk");
  }
  if (size < FUZZ_MIN_BYTES)
    return;
  for (int writable = 0; writable <= may_write; writable++) {
    if (kind == ESX_COWD)
      image_describe (path, "vmfsSparse", "VMFSSPARSE", "extent.vmdk");
    else
      image_describe (path, "seSparse", "SESPARSE", "extent.vmdk");
    image_make_esx (&image, kind);
    damage (&image, data, size);
    image_store (&image, extent);
    fuzz_use (path, writable);
  }
}
