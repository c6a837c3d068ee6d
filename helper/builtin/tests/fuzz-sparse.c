/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libFuzzer target: damaged sparse images, opened, read and written.  The
 * first byte of the input chooses a valid image, the next two cut it off, the
 * rest changes it: two bytes offset, one byte length, that many bytes.
 */
#include "../disk.h"
#include "check.h"
#include "image.h"

#define SECTOR VIXDISKLIB_SECTOR_SIZE

/* Sectors of one request. */
#define REQUEST 64

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static uint8_t buffer[REQUEST * SECTOR];

static void
damage (struct image *image, const uint8_t *data, size_t size)
{
  size_t cut;

  image_make (image, (enum image_kind) (data[0] % IMAGE_NR_KINDS));
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

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *path;
  static struct image image;
  struct disk *disk;

  if (!path)
    path = image_path ("image.vmdk");
  if (size < 3)
    return 0;
  damage (&image, data, size);
  for (int writable = 0; writable < 2; writable++) {
    image_store (&image, path);
    if (disk_open (path, writable, &disk) != VIX_OK)
      continue;
    use (disk);
    disk_close (disk);
  }
  return 0;
}
