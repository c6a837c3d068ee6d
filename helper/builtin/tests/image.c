/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Small sparse images made by the tests themselves.
 */
#include "image.h"

#include <endian.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include "check.h"

#define SECTOR    512
#define MAX_PATHS 16

static char folder[] = "/tmp/builtin-test-XXXXXX";
static char *paths[MAX_PATHS];
static size_t nr_paths;

static const unsigned data_grains[] = { 0, 1, 5 };

void
image_put32 (struct image *image, size_t offset, uint32_t value)
{
  value = htole32 (value);
  memcpy (image->bytes + offset, &value, sizeof value);
}

void
image_put64 (struct image *image, size_t offset, uint64_t value)
{
  value = htole64 (value);
  memcpy (image->bytes + offset, &value, sizeof value);
}

static void
put_header (struct image *image, size_t at, enum image_kind kind,
            uint64_t gd_sector)
{
  bool stream = kind == IMAGE_STREAM || kind == IMAGE_STREAM_END;
  uint32_t flags = stream ? 0x30001 : kind == IMAGE_SPARSE ? 0x7 : 0x1;

  memcpy (image->bytes + at, "KDMV", 4);
  image_put32 (image, at + 4, stream ? 3 : kind == IMAGE_SPARSE ? 2 : 1);
  image_put32 (image, at + 8, flags);
  image_put64 (image, at + 12, IMAGE_CAPACITY);
  image_put64 (image, at + 20, IMAGE_GRAIN_SECTORS);
  image_put64 (image, at + 28, IMAGE_DESCRIPTOR);
  image_put64 (image, at + 36, IMAGE_RGD - IMAGE_DESCRIPTOR);
  image_put32 (image, at + 44, 512);
  image_put64 (image, at + 48, kind == IMAGE_SPARSE ? IMAGE_RGD : 0);
  image_put64 (image, at + 56, gd_sector);
  image_put64 (image, at + 64, IMAGE_DATA);
  memcpy (image->bytes + at + 73, "\n \r\n", 4);
  image->bytes[at + 77] = stream;
}

static void
put_descriptor (struct image *image, enum image_kind kind)
{
  bool stream = kind == IMAGE_STREAM || kind == IMAGE_STREAM_END;

  snprintf (
      (char *)image->bytes + IMAGE_DESCRIPTOR * SECTOR,
      (IMAGE_RGD - IMAGE_DESCRIPTOR) * SECTOR,
      "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
      "createType=\"%s\"\nRW %d SPARSE \"image.vmdk\"\n"
      "ddb.adapterType = \"lsilogic\"\nddb.uuid = \"60 00\"\n"
      "ddb.geometry.cylinders = \"9\"\n",
      stream ? "streamOptimized" : "monolithicSparse", IMAGE_CAPACITY);
}

static size_t
put_packed_grain (struct image *image, size_t at, unsigned grain)
{
  uint8_t data[IMAGE_GRAIN_SECTORS * SECTOR];
  uLongf length = IMAGE_MAX_BYTES - at - 12;

  memset (data, (int)grain + 1, sizeof data);
  CHECK (compress (image->bytes + at + 12, &length, data, sizeof data) == Z_OK);
  image_put64 (image, at, (uint64_t)grain * IMAGE_GRAIN_SECTORS);
  image_put32 (image, at + 8, (uint32_t)length);
  return (at + 12 + length + SECTOR - 1) / SECTOR * SECTOR;
}

static void
put_footer (struct image *image, enum image_kind kind)
{
  image_put32 (image, image->size + 12, 3); /* marker: footer */
  put_header (image, image->size + SECTOR, kind, IMAGE_GD);
  image->size += 3 * SECTOR;
}

void
image_make (struct image *image, enum image_kind kind)
{
  bool stream = kind == IMAGE_STREAM || kind == IMAGE_STREAM_END;
  size_t at = IMAGE_DATA * SECTOR;

  memset (image, 0, sizeof *image);
  put_header (image, 0, kind, kind == IMAGE_STREAM_END ? UINT64_MAX : IMAGE_GD);
  put_descriptor (image, kind);
  image_put32 (image, IMAGE_GD * SECTOR, IMAGE_GT);
  if (kind == IMAGE_SPARSE) {
    image_put32 (image, IMAGE_RGD * SECTOR, IMAGE_RGT);
    image_put32 (image, IMAGE_GT * SECTOR + 3 * 4, 1);
    image_put32 (image, IMAGE_RGT * SECTOR + 3 * 4, 1);
  }
  for (size_t i = 0; i < sizeof data_grains / sizeof data_grains[0]; i++) {
    unsigned grain = data_grains[i];

    image_put32 (image, IMAGE_GT * SECTOR + grain * 4, (uint32_t)(at / SECTOR));
    if (kind == IMAGE_SPARSE)
      image_put32 (image, IMAGE_RGT * SECTOR + grain * 4,
                   (uint32_t)(at / SECTOR));
    if (stream)
      at = put_packed_grain (image, at, grain);
    else {
      memset (image->bytes + at, (int)grain + 1, IMAGE_GRAIN_SECTORS * SECTOR);
      at += IMAGE_GRAIN_SECTORS * SECTOR;
    }
  }
  image->size = at;
  if (kind == IMAGE_STREAM_END)
    put_footer (image, kind);
}

uint8_t
image_expected (uint64_t offset)
{
  uint64_t grain = offset / (IMAGE_GRAIN_SECTORS * SECTOR);

  for (size_t i = 0; i < sizeof data_grains / sizeof data_grains[0]; i++)
    if (grain == data_grains[i])
      return (uint8_t)(grain + 1);
  return 0;
}

static void
remove_all (void)
{
  for (size_t i = 0; i < nr_paths; i++) {
    unlink (paths[i]);
    free (paths[i]);
  }
  rmdir (folder);
}

const char *
image_path (const char *name)
{
  if (nr_paths == 0) {
    CHECK (mkdtemp (folder));
    CHECK (atexit (remove_all) == 0);
  }
  CHECK (nr_paths < MAX_PATHS);
  CHECK (asprintf (&paths[nr_paths], "%s/%s", folder, name) > 0);
  return paths[nr_paths++];
}

void
image_store (const struct image *image, const char *path)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  CHECK (fd != -1);
  CHECK (write (fd, image->bytes, image->size) == (ssize_t)image->size);
  close (fd);
}
