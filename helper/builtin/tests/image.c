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

/* In memory: nothing here tests the disk below. */
static char folder[] = "/dev/shm/builtin-test-XXXXXX";
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

static void
put_esx_data (struct image *image, size_t at, unsigned grain)
{
  memset (image->bytes + at, (int)grain + 1, IMAGE_GRAIN_SECTORS * SECTOR);
}

/* Tables have 4096 entries: one is enough. */
static void
make_cowd (struct image *image)
{
  const uint32_t table = 5;
  uint32_t at = table + 32 + 3; /* grain aligned */

  memcpy (image->bytes, "COWD", 4);
  image_put32 (image, 4, 1);
  image_put32 (image, 8, 3);
  image_put32 (image, 12, IMAGE_CAPACITY);
  image_put32 (image, 16, IMAGE_GRAIN_SECTORS);
  image_put32 (image, 20, 4);
  image_put32 (image, 24, 1);
  image_put32 (image, 4 * SECTOR, table);
  for (size_t i = 0; i < sizeof data_grains / sizeof data_grains[0]; i++) {
    image_put32 (image, table * SECTOR + data_grains[i] * 4, at);
    put_esx_data (image, at * SECTOR, data_grains[i]);
    at += IMAGE_GRAIN_SECTORS;
  }
  image_put32 (image, 28, at);
  image->size = at * SECTOR;
}

static void
make_sesparse (struct image *image)
{
  const uint64_t areas[] = { 1, 1, 0, 0, 0, 0, 2, 1, 3, 64, 0, 0, 0, 0, 67 };
  size_t at = 67 * SECTOR;

  image_put64 (image, 0, 0xcafebabe);
  image_put64 (image, 8, UINT64_C (0x200000001));
  image_put64 (image, 16, IMAGE_CAPACITY);
  image_put64 (image, 24, IMAGE_GRAIN_SECTORS);
  image_put64 (image, 32, 64);
  for (size_t i = 0; i < sizeof areas / sizeof areas[0]; i++)
    image_put64 (image, 80 + i * 8, areas[i]);
  image_put64 (image, SECTOR, 0xcafecafe);
  image_put64 (image, 2 * SECTOR, UINT64_C (1) << 60);
  image_put64 (image, 3 * SECTOR + 3 * 8, UINT64_C (2) << 60);
  for (uint64_t i = 0; i < sizeof data_grains / sizeof data_grains[0]; i++) {
    image_put64 (image, 3 * SECTOR + data_grains[i] * 8,
                 UINT64_C (3) << 60 | i << 48);
    put_esx_data (image, at, data_grains[i]);
    at += IMAGE_GRAIN_SECTORS * SECTOR;
  }
  image->size = at;
}

void
image_make_esx (struct image *image, enum esx_kind kind)
{
  memset (image, 0, sizeof *image);
  if (kind == ESX_COWD)
    make_cowd (image);
  else
    make_sesparse (image);
}

void
image_describe (const char *path, const char *create_type,
                const char *extent_type, const char *name)
{
  FILE *f = fopen (path, "we");

  CHECK (f);
  fprintf (f,
           "# Disk DescriptorFile\nversion=1\nCID=12345678\n"
           "parentCID=ffffffff\ncreateType=\"%s\"\nRW %d %s \"%s\"\n",
           create_type, IMAGE_CAPACITY, extent_type, name);
  CHECK (fclose (f) == 0);
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
