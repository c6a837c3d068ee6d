/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Damaged and hostile images: every field of the header and the first entries
 * of each table take edge values one by one, and files end early.  Each must
 * open or be refused within a second; built with sanitizers this also shows
 * that nothing is touched that should not be.
 */
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../disk.h"
#include "check.h"
#include "image.h"

#define SECTOR VIXDISKLIB_SECTOR_SIZE

static uint8_t data[64 * SECTOR];
static const char *path;

static double
seconds (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Uses a disk a little everywhere; what fails, fails. */
static void
use (struct disk *disk)
{
  const uint64_t nr = disk->nr_sectors;
  const uint64_t places[] = { 0, 8, nr / 2, IMAGE_TABLE_SECTORS, nr - 1 };
  VixDiskLibBlockList *list;
  uint64_t n;

  memset (data, 0x77, sizeof data);
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    if (places[i] >= nr)
      continue;
    n = nr - places[i] < 64 ? nr - places[i] : 64;
    disk_read (disk, places[i], n, data);
    if (disk->writable)
      disk_write (disk, places[i], n, data);
  }
  n = nr / 128 < 4096 ? nr / 128 : 4096;
  if (n > 0 && disk_query (disk, 0, n * 128, 128, &list) == VIX_OK)
    free (list);
}

/* Opens and uses what is at path; returns whether it opened. */
static bool
try (bool writable)
{
  double start = seconds ();
  struct disk *disk = NULL;
  bool opened = disk_open (path, writable, &disk) == VIX_OK;

  if (opened) {
    use (disk);
    disk_close (disk);
  }
  CHECK (seconds () - start < 1.0);
  return opened;
}

static const uint64_t edges[] = {
  0,
  1,
  2,
  3,
  7,
  8,
  127,
  128,
  512,
  4096,
  0x7fffffff,
  0x80000000,
  0xfffffffe,
  0xffffffff,
  0x100000000,
  UINT64_C (64) << 31,
  INT64_MAX,
  UINT64_C (1) << 63,
  UINT64_MAX - 1,
  UINT64_MAX,
};

#define NR_EDGES (sizeof edges / sizeof edges[0])

/* Fields of the header: offset and width. */
static const struct {
  size_t offset;
  size_t width;
} fields[] = {
  { 0, 4 },  { 4, 4 },  { 8, 4 },  { 12, 8 }, { 20, 8 }, { 28, 8 }, { 36, 8 },
  { 44, 4 }, { 48, 8 }, { 56, 8 }, { 64, 8 }, { 72, 4 }, { 76, 4 },
};

static void
put (struct image *image, size_t offset, size_t width, uint64_t value)
{
  if (width == 4)
    image_put32 (image, offset, (uint32_t)value);
  else
    image_put64 (image, offset, value);
}

static void
try_value (enum image_kind kind, size_t offset, size_t width, uint64_t value)
{
  struct image image;

  for (int writable = 0; writable < 2; writable++) {
    image_make (&image, kind);
    put (&image, offset, width, value);
    image_store (&image, path);
    try (writable);
  }
}

static void
test_header (enum image_kind kind)
{
  struct image image;

  image_make (&image, kind);
  for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++)
    for (size_t e = 0; e < NR_EDGES; e++) {
      try_value (kind, fields[f].offset, fields[f].width, edges[e]);
      if (kind == IMAGE_STREAM_END)
        try_value (kind, image.size - 2 * SECTOR + fields[f].offset,
                   fields[f].width, edges[e]);
    }
}

static void
test_tables (enum image_kind kind)
{
  const size_t sectors[]
      = { IMAGE_GD, IMAGE_RGD, IMAGE_GT, IMAGE_RGT, IMAGE_DATA };

  for (size_t s = 0; s < sizeof sectors / sizeof sectors[0]; s++)
    for (size_t entry = 0; entry < 6; entry++)
      for (size_t e = 0; e < NR_EDGES; e++)
        try_value (kind, sectors[s] * SECTOR + entry * 4, 4, edges[e]);
}

/* Damage that must be noticed when the disk is opened, not later. */
static void
test_noticed (void)
{
  static const struct {
    enum image_kind kind;
    bool writable;
    size_t offset;
    size_t width;
    uint64_t value;
  } cases[] = {
    /* Grains in the metadata, behind the end, and partly so. */
    { IMAGE_SPARSE, false, IMAGE_GT * SECTOR + 8, 4, IMAGE_GT },
    { IMAGE_SPARSE, false, IMAGE_GT * SECTOR + 8, 4, IMAGE_DATA - 1 },
    { IMAGE_SPARSE, false, IMAGE_GT * SECTOR + 8, 4, UINT32_MAX },
    { IMAGE_SPARSE, false, IMAGE_GT * SECTOR + 8, 4, IMAGE_DATA + 17 },
    { IMAGE_PLAIN, false, IMAGE_GT * SECTOR + 8, 4, 1 },
    { IMAGE_STREAM, false, IMAGE_GT * SECTOR + 8, 4, 2 },
    { IMAGE_STREAM, false, IMAGE_GT * SECTOR + 8, 4, IMAGE_DATA + 3 },
    /* Tables in the header, behind the end. */
    { IMAGE_SPARSE, false, IMAGE_GD * SECTOR + 4, 4, 2 },
    { IMAGE_SPARSE, false, IMAGE_GD * SECTOR + 4, 4, UINT32_MAX },
    { IMAGE_SPARSE, true, IMAGE_RGD * SECTOR + 4, 4, 2 },
    { IMAGE_SPARSE, true, IMAGE_RGD * SECTOR + 4, 4, UINT32_MAX },
    /* Tables on a directory, directories behind what is said of metadata. */
    { IMAGE_SPARSE, false, IMAGE_GD * SECTOR + 4, 4, IMAGE_GD - 3 },
    { IMAGE_SPARSE, false, IMAGE_GD * SECTOR + 4, 4, IMAGE_RGD },
    { IMAGE_SPARSE, true, IMAGE_RGD * SECTOR + 4, 4, IMAGE_GD },
    { IMAGE_SPARSE, true, 64, 8, IMAGE_GD },
    /* Directories on top of each other; at a place that overflows bytes. */
    { IMAGE_SPARSE, false, 56, 8, IMAGE_RGD },
    { IMAGE_SPARSE, false, 56, 8, IMAGE_DESCRIPTOR },
    { IMAGE_SPARSE, false, 56, 8, (UINT64_C (1) << 55) + IMAGE_GD },
    { IMAGE_SPARSE, false, 28, 8, (UINT64_C (1) << 55) + 1 },
    /* Sizes. */
    { IMAGE_SPARSE, false, 12, 8, IMAGE_CAPACITY - 1 },
    { IMAGE_SPARSE, false, 12, 8, IMAGE_CAPACITY + IMAGE_GRAIN_SECTORS },
    { IMAGE_SPARSE, false, 20, 8, 9 },
    { IMAGE_SPARSE, false, 44, 4, 256 },
    { IMAGE_SPARSE, false, 48, 8, 0 },
    { IMAGE_SPARSE, false, 64, 8, 1 << 20 },
    /* The last compressed grain: no length, a longer one than the file. */
    { IMAGE_STREAM, false, (IMAGE_DATA + 2) * SECTOR + 8, 4, 0 },
    { IMAGE_STREAM, false, (IMAGE_DATA + 2) * SECTOR + 8, 4, 501 },
    { IMAGE_STREAM, false, 77, 4, 2 },
    /* Compressed, but without markers. */
    { IMAGE_STREAM, false, 8, 4, 0x10001 },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct image image;

    image_make (&image, cases[i].kind);
    image_store (&image, path);
    CHECK (try (cases[i].writable));
    image_make (&image, cases[i].kind);
    put (&image, cases[i].offset, cases[i].width, cases[i].value);
    image_store (&image, path);
    if (try (cases[i].writable)) {
      fprintf (stderr, "damage %zu was not noticed\n", i);
      exit (1);
    }
  }
}

/* Damage inside compressed grains is an error of the read, never data. */
static void
test_bad_grains (void)
{
  const size_t at = (IMAGE_DATA + 1) * SECTOR; /* grain 1 */
  const struct {
    size_t offset;
    uint32_t value;
  } cases[] = {
    { 0, 0 },          /* the marker of another grain */
    { 8, 3 },          /* cut off */
    { 8, UINT32_MAX }, /* far too long */
    { 8, 9000 },       /* longer than two grains */
    { 12, UINT32_MAX } /* no zlib header */
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct disk *disk;
    struct image image;

    image_make (&image, IMAGE_STREAM);
    image_put32 (&image, at + cases[i].offset, cases[i].value);
    image_store (&image, path);
    CHECK_EQUAL (disk_open (path, false, &disk), VIX_OK);
    CHECK_EQUAL (disk_read (disk, 0, 8, data), VIX_OK);
    CHECK_EQUAL (disk_read (disk, 8, 8, data), VIX_E_DISK_INVALIDDISK);
    CHECK_EQUAL (disk_read (disk, 9, 1, data), VIX_E_DISK_INVALIDDISK);
    CHECK_EQUAL (disk_read (disk, 9, 1, data), VIX_E_DISK_INVALIDDISK);
    disk_close (disk);
  }
}

/* A footer is the last of a file: growing the file would bury it, so that the
 * image could never be opened again.
 */
static void
test_footer (void)
{
  struct image image;
  struct disk *disk;
  size_t end;

  image_make (&image, IMAGE_PLAIN);
  end = (image.size + SECTOR - 1) / SECTOR * SECTOR;
  image.size = end + 3 * SECTOR;
  CHECK (image.size <= sizeof image.bytes);
  memset (image.bytes + end, 0, 3 * SECTOR);
  image_put32 (&image, end + 8, 0);
  image_put32 (&image, end + 12, 3);
  memcpy (image.bytes + end + SECTOR, image.bytes, SECTOR);
  image_put64 (&image, 56, UINT64_MAX);
  image_store (&image, path);
  CHECK (try (false));
  CHECK_EQUAL (disk_open (path, true, &disk), VIX_E_DISK_NOTSUPPORTED);
}

/* A flat file that is cut while it is open is no hole. */
static void
test_cut_flat (void)
{
  const char *extent = image_path ("cut-flat.vmdk");
  const char *descriptor = image_path ("cut.vmdk");
  struct disk *disk;
  bool allocated;
  uint64_t n;
  FILE *f;

  CHECK ((f = fopen (extent, "w")) && ftruncate (fileno (f), 9 * SECTOR) == 0);
  fclose (f);
  CHECK ((f = fopen (descriptor, "w")));
  fputs ("# Disk DescriptorFile\ncreateType=monolithicFlat\n"
         "RW 9 FLAT \"cut-flat.vmdk\" 0\n",
         f);
  fclose (f);
  CHECK_EQUAL (disk_open (descriptor, false, &disk), VIX_OK);
  CHECK_EQUAL (disk_next_run (disk, 0, 9, &allocated, &n), VIX_OK);
  CHECK (!allocated && n == 9);
  CHECK (truncate (extent, 4 * SECTOR) == 0);
  CHECK_EQUAL (disk_next_run (disk, 0, 9, &allocated, &n), VIX_OK);
  CHECK (allocated && n == 9);
  CHECK_EQUAL (disk_read (disk, 0, 9, data), VIX_E_DISK_NOIO);
  disk_close (disk);
}

/* A file that ends early is refused, wherever it ends. */
static void
test_truncated (enum image_kind kind)
{
  struct image image;
  size_t whole;

  image_make (&image, kind);
  whole = image.size;
  for (size_t size = 0; size < whole; size += SECTOR / 2) {
    image.size = size;
    image_store (&image, path);
    CHECK (!try (false));
  }
  image.size = whole;
  image_store (&image, path);
  CHECK (try (false));
}

/* A huge file of holes whose header asks for nr_sectors of disk. */
static bool
try_huge (uint64_t nr_sectors)
{
  struct image image;
  struct file *file;

  image_make (&image, IMAGE_SPARSE);
  image_put64 (&image, 12, nr_sectors);
  image_put64 (&image, 48, UINT64_C (1) << 20);
  image_put64 (&image, 56, UINT64_C (1) << 21);
  image_put64 (&image, 64, UINT64_C (1) << 22);
  snprintf ((char *)image.bytes + SECTOR, 2 * SECTOR,
            "# Disk DescriptorFile\ncreateType=monolithicSparse\n"
            "RW %" PRIu64 " SPARSE \"x\"\n",
            nr_sectors);
  image_store (&image, path);
  CHECK_EQUAL (file_open (path, true, true, &file), VIX_OK);
  CHECK_EQUAL (file_resize (file, UINT64_C (1) << 40), VIX_OK);
  file_close (file);
  return try (true);
}

/* The largest tables are served with little memory, larger ones refused. */
static void
test_huge (void)
{
  const uint64_t most = UINT64_C (4194304) * IMAGE_TABLE_SECTORS;
  struct rusage usage;

  CHECK (try_huge (most - 1));
  CHECK (!try_huge (most + 1));
  CHECK (getrusage (RUSAGE_SELF, &usage) == 0);
  CHECK (usage.ru_maxrss < 256 * 1024);
}

int
main (void)
{
  path = image_path ("image.vmdk");
  test_huge (); /* first: memory is only counted up */
  for (int kind = 0; kind < IMAGE_NR_KINDS; kind++) {
    test_header ((enum image_kind)kind);
    test_tables ((enum image_kind)kind);
    test_truncated ((enum image_kind)kind);
  }
  test_noticed ();
  test_bad_grains ();
  test_footer ();
  test_cut_flat ();
  return 0;
}
