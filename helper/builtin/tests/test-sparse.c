/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sparse extents: lookup, allocation, and what is left when a write fails at
 * any system call.  pwrite and ftruncate are replaced here by ones that count,
 * remember and fail on command.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../disk.h"
#include "../sparse-header.h"
#include "check.h"
#include "image.h"

#define SECTOR VIXDISKLIB_SECTOR_SIZE
#define GRAIN  IMAGE_GRAIN_SECTORS

/* The system calls of the last operation. */
static struct {
  unsigned count;
  unsigned fail_at;   /* this one fails, counting from 1; 0 = none */
  bool half;          /* a failing pwrite writes half before */
  bool fail_later;    /* and all that follow fail too */
  uint64_t at[64];    /* offsets; of ftruncate, the size */
  uint64_t bytes[64]; /* lengths; of ftruncate, 0 */
} calls;

static bool
record (uint64_t at, uint64_t bytes)
{
  CHECK (calls.count < 64);
  calls.at[calls.count] = at;
  calls.bytes[calls.count++] = bytes;
  return calls.fail_at
         && (calls.count == calls.fail_at
             || (calls.fail_later && calls.count > calls.fail_at));
}

ssize_t
pwrite (int fd, const void *buf, size_t n, off_t offset)
{
  if (record ((uint64_t)offset, n)) {
    if (calls.half)
      syscall (SYS_pwrite64, fd, buf, n / 2, offset);
    if (calls.half && n / 2 > 0 && calls.count == calls.fail_at) {
      calls.fail_at++; /* a short write first, the error comes next */
      return (ssize_t)(n / 2);
    }
    errno = ENOSPC;
    return -1;
  }
  return syscall (SYS_pwrite64, fd, buf, n, offset);
}

int
ftruncate (int fd, off_t size)
{
  if (record ((uint64_t)size, 0)) {
    errno = ENOSPC;
    return -1;
  }
  return (int)syscall (SYS_ftruncate, fd, size);
}

/* Calls of fdatasync; the first failing_syncs of them fail. */
static unsigned syncs;
static unsigned failing_syncs;

int
fdatasync (int fd)
{
  if (++syncs <= failing_syncs) {
    errno = EIO;
    return -1;
  }
  return (int)syscall (SYS_fdatasync, fd);
}

static uint8_t data[4 * 1024 * 1024];
static const char *path;

static struct disk *
open_disk (bool writable)
{
  struct disk *disk = NULL;

  memset (&calls, 0, sizeof calls);
  CHECK_EQUAL (disk_open (path, writable, &disk), VIX_OK);
  return disk;
}

static struct disk *
fresh (enum image_kind kind, bool writable)
{
  struct image image;

  image_make (&image, kind);
  image_store (&image, path);
  return open_disk (writable);
}

static uint32_t
stored32 (uint64_t offset)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  uint32_t v;

  CHECK (pread (fd, &v, sizeof v, (off_t)offset) == sizeof v);
  close (fd);
  return v;
}

static void
fill (uint8_t byte, uint64_t nr_sectors)
{
  memset (data, byte, nr_sectors * SECTOR);
}

/* All nr_sectors of the disk at sector have the byte. */
static void
check_bytes (struct disk *disk, uint64_t sector, uint64_t nr_sectors,
             uint8_t byte)
{
  static uint8_t got[sizeof data];

  CHECK_EQUAL (disk_read (disk, sector, nr_sectors, got), VIX_OK);
  for (size_t i = 0; i < nr_sectors * SECTOR; i++)
    CHECK_EQUAL (got[i], byte);
}

static void
test_read (void)
{
  for (int kind = 0; kind < IMAGE_NR_KINDS; kind++) {
    struct disk *disk = fresh ((enum image_kind)kind, false);
    uint64_t sector = 0;
    uint64_t n;
    bool allocated;

    CHECK_EQUAL (disk->nr_sectors, IMAGE_CAPACITY);
    CHECK_EQUAL (disk_read (disk, 0, IMAGE_CAPACITY, data), VIX_OK);
    for (uint64_t i = 0; i < IMAGE_CAPACITY * SECTOR; i++)
      CHECK_EQUAL (data[i], image_expected (i));
    CHECK_EQUAL (disk_read (disk, 5, 7, data), VIX_OK);
    for (uint64_t i = 0; i < 7 * SECTOR; i++)
      CHECK_EQUAL (data[i], image_expected (i + 5 * SECTOR));
    for (; sector < IMAGE_CAPACITY; sector += n) {
      CHECK_EQUAL (
          disk_next_run (disk, sector, IMAGE_CAPACITY - sector, &allocated, &n),
          VIX_OK);
      CHECK (n > 0);
      CHECK_EQUAL (allocated, image_expected (sector * SECTOR) != 0);
    }
    CHECK_EQUAL (sector, IMAGE_CAPACITY);
    CHECK_EQUAL (disk_write (disk, 0, 1, data), VIX_E_FILE_READ_ONLY);
    disk_close (disk);
  }
}

static void
test_ranges (void)
{
  struct disk *disk = fresh (IMAGE_SPARSE, true);

  CHECK_EQUAL (disk_read (disk, IMAGE_CAPACITY - 1, 1, data), VIX_OK);
  CHECK_EQUAL (disk_read (disk, IMAGE_CAPACITY, 1, data),
               VIX_E_DISK_OUTOFRANGE);
  CHECK_EQUAL (disk_read (disk, UINT64_MAX, 2, data), VIX_E_DISK_OUTOFRANGE);
  CHECK_EQUAL (disk_write (disk, 1, UINT64_MAX, data), VIX_E_DISK_OUTOFRANGE);
  CHECK_EQUAL (disk_read (disk, 0, 0, data), VIX_E_INVALID_ARG);
  disk_close (disk);
}

/* The first write changes the CID and makes that durable before anything else;
 * the first one that needs room marks the header.
 */
static struct disk *
used (enum image_kind kind)
{
  struct disk *disk = fresh (kind, true);

  fill (1, 1);
  syncs = 0;
  CHECK_EQUAL (disk_write (disk, 0, 1, data), VIX_OK);
  CHECK_EQUAL (syncs, 1);
  CHECK_EQUAL (calls.count, 2);
  CHECK_EQUAL (calls.bytes[0], 8);
  CHECK_EQUAL (calls.bytes[1], SECTOR);
  CHECK_EQUAL (disk_write (disk, 20 * GRAIN, 1, data), VIX_OK);
  CHECK_EQUAL (calls.at[2], SPARSE_UNCLEAN_BYTE);
  CHECK_EQUAL (disk_flush (disk), VIX_OK);
  calls.count = 0;
  syncs = 0;
  return disk;
}

static uint64_t
size_of (const struct disk *disk)
{
  return disk->links[0].files->size;
}

/* Data; then, when that is durable, the redundant table and the primary one. */
static void
test_order (void)
{
  struct disk *disk = used (IMAGE_SPARSE);
  uint64_t end = size_of (disk);

  fill (0xaa, 3 * GRAIN);
  CHECK_EQUAL (disk_write (disk, 8 * GRAIN, 3 * GRAIN, data), VIX_OK);
  CHECK_EQUAL (calls.count, 2);
  CHECK_EQUAL (calls.at[0], end + 3 * GRAIN * SECTOR);
  CHECK_EQUAL (calls.bytes[0], 0);
  CHECK_EQUAL (calls.at[1], end);
  CHECK_EQUAL (calls.bytes[1], 3 * GRAIN * SECTOR);
  CHECK_EQUAL (stored32 (IMAGE_GT * SECTOR + 8 * 4), 0);
  check_bytes (disk, 8 * GRAIN, 3 * GRAIN, 0xaa);
  failing_syncs = 1;
  CHECK_EQUAL (disk_flush (disk), VIX_E_FILE_ERROR);
  CHECK_EQUAL (calls.count, 2); /* data is not durable: no table is written */
  failing_syncs = 0;
  syncs = 0;
  CHECK_EQUAL (disk_flush (disk), VIX_OK);
  CHECK_EQUAL (syncs, 2);
  CHECK_EQUAL (calls.count, 4);
  CHECK_EQUAL (calls.at[2], IMAGE_RGT * SECTOR);
  CHECK_EQUAL (calls.at[3], IMAGE_GT * SECTOR);
  for (unsigned i = 8; i < 11; i++) {
    CHECK_EQUAL (stored32 (IMAGE_GT * SECTOR + i * 4),
                 end / SECTOR + (i - 8) * GRAIN);
    CHECK_EQUAL (stored32 (IMAGE_RGT * SECTOR + i * 4),
                 stored32 (IMAGE_GT * SECTOR + i * 4));
  }
  calls.count = 0; /* allocated now: one write */
  CHECK_EQUAL (disk_write (disk, 8 * GRAIN + 1, 2 * GRAIN, data), VIX_OK);
  CHECK_EQUAL (calls.count, 1);
  CHECK_EQUAL (disk_close (disk), VIX_OK);
  CHECK_EQUAL (stored32 (SPARSE_UNCLEAN_BYTE) & 0xff, 0);
}

/* A missing table: both copies, each before its place in the directory. */
static void
test_new_table (void)
{
  struct disk *disk = used (IMAGE_SPARSE);
  uint64_t end = size_of (disk);

  fill (0xbb, 1);
  CHECK_EQUAL (disk_write (disk, IMAGE_TABLE_SECTORS + 3, 1, data), VIX_OK);
  calls.count = 0;
  CHECK_EQUAL (disk_flush (disk), VIX_OK);
  CHECK_EQUAL (calls.count, 4);
  CHECK_EQUAL (calls.bytes[0], 2048);
  CHECK_EQUAL (calls.at[1], IMAGE_RGD * SECTOR + 4);
  CHECK_EQUAL (calls.bytes[2], 2048);
  CHECK_EQUAL (calls.at[3], IMAGE_GD * SECTOR + 4);
  CHECK_EQUAL (stored32 (calls.at[1]), calls.at[0] / SECTOR);
  CHECK_EQUAL (stored32 (calls.at[3]), calls.at[2] / SECTOR);
  CHECK (calls.at[0] >= end && calls.at[2] >= end);
  disk_close (disk);
  disk = open_disk (false);
  check_bytes (disk, IMAGE_TABLE_SECTORS, 3, 0);
  check_bytes (disk, IMAGE_TABLE_SECTORS + 3, 1, 0xbb);
  check_bytes (disk, IMAGE_TABLE_SECTORS + 4, 100, 0);
  disk_close (disk);
}

/* A primary table whose redundant copy is missing: the copy is made. */
static void
test_redundant_only (void)
{
  struct image image;
  struct disk *disk;
  uint64_t copy;

  image_make (&image, IMAGE_SPARSE);
  image_put32 (&image, IMAGE_RGD * SECTOR, 0);
  image_store (&image, path);
  disk = open_disk (true);
  fill (0xcc, 1);
  CHECK_EQUAL (disk_write (disk, 9 * GRAIN, 1, data), VIX_OK);
  CHECK_EQUAL (disk_flush (disk), VIX_OK);
  copy = (uint64_t)stored32 (IMAGE_RGD * SECTOR) * SECTOR;
  for (unsigned i = 0; i < 512; i++)
    CHECK_EQUAL (stored32 (copy + i * 4), stored32 (IMAGE_GT * SECTOR + i * 4));
  disk_close (disk);
}

/* A redundant table without a primary one is left over from a writer that
 * died between the two: both are made anew.
 */
static void
test_left_over_table (void)
{
  struct image image;
  struct disk *disk;
  uint64_t copy, table;

  image_make (&image, IMAGE_SPARSE);
  image_put32 (&image, IMAGE_RGD * SECTOR + 4, IMAGE_GT);
  image_store (&image, path);
  disk = open_disk (true);
  fill (0xcc, 1);
  CHECK_EQUAL (disk_write (disk, IMAGE_TABLE_SECTORS, 1, data), VIX_OK);
  CHECK_EQUAL (disk_flush (disk), VIX_OK);
  copy = (uint64_t)stored32 (IMAGE_RGD * SECTOR + 4) * SECTOR;
  table = (uint64_t)stored32 (IMAGE_GD * SECTOR + 4) * SECTOR;
  CHECK (copy != table);
  for (unsigned i = 0; i < 512; i++)
    CHECK_EQUAL (stored32 (copy + i * 4), stored32 (table + i * 4));
  disk_close (disk);
}

/* Zeroes need no grain; zeroed and absent grains are alike. */
static void
test_zeroes (void)
{
  struct disk *disk = used (IMAGE_SPARSE);

  fill (0, 4 * GRAIN);
  CHECK_EQUAL (disk_write (disk, 2 * GRAIN, 2 * GRAIN, data), VIX_OK);
  CHECK_EQUAL (disk_write (disk, IMAGE_TABLE_SECTORS, 9, data), VIX_OK);
  CHECK_EQUAL (calls.count, 0);
  CHECK_EQUAL (disk_write (disk, 1, 1, data), VIX_OK); /* has a grain */
  CHECK_EQUAL (calls.count, 1);
  check_bytes (disk, 0, 1, 1);
  check_bytes (disk, 1, 1, 0);
  /* Grain 3 was zeroed; only the part that has data is in the new grain. */
  fill (0xdd, 1);
  CHECK_EQUAL (disk_write (disk, 3 * GRAIN + 2, 1, data), VIX_OK);
  check_bytes (disk, 3 * GRAIN, 2, 0);
  check_bytes (disk, 3 * GRAIN + 2, 1, 0xdd);
  check_bytes (disk, 3 * GRAIN + 3, GRAIN - 3, 0);
  disk_close (disk);
}

/* Sector by sector, the range at sector is old or new after a failure. */
static void
check_old_or_new (struct disk *disk, uint64_t sector, uint64_t n, uint8_t new)
{
  uint8_t got[SECTOR];

  for (uint64_t i = sector; i < sector + n; i++) {
    CHECK_EQUAL (disk_read (disk, i, 1, got), VIX_OK);
    for (size_t j = 0; j < SECTOR; j++)
      CHECK (got[j] == new || got[j] == image_expected (i * SECTOR));
  }
}

/* Writes across the edge of the two tables, failing at the given call; then
 * everything else must be as before, in this process and after a new open,
 * and a later write must find no left-overs in its grains.
 */
static bool
fail_at (enum image_kind kind, unsigned call, bool half, bool fail_later)
{
  const uint64_t start = IMAGE_TABLE_SECTORS - GRAIN - 3;
  const uint64_t n = 3 * GRAIN;
  static uint8_t seen[2][3 * GRAIN * SECTOR];
  struct disk *disk = fresh (kind, true);
  VixError err;

  calls.fail_at = call;
  calls.half = half;
  calls.fail_later = fail_later;
  fill (0xee, n);
  err = disk_write (disk, start, n, data);
  if (err != VIX_OK)
    CHECK_EQUAL (err, VIX_E_DISK_FULL);
  for (int round = 0; round < 2; round++) {
    check_old_or_new (disk, start, n, 0xee);
    check_old_or_new (disk, 0, start, 0);
    check_old_or_new (disk, start + n, IMAGE_CAPACITY - start - n, 0);
    CHECK_EQUAL (disk_read (disk, start, n, seen[round]), VIX_OK);
    disk_close (disk);
    disk = open_disk (true);
  }
  CHECK (memcmp (seen[0], seen[1], n * SECTOR) == 0);
  fill (0x11, 1);
  CHECK_EQUAL (disk_write (disk, 20 * GRAIN + 1, 1, data), VIX_OK);
  CHECK_EQUAL (disk_write (disk, IMAGE_TABLE_SECTORS + 20 * GRAIN, 1, data),
               VIX_OK);
  check_bytes (disk, 20 * GRAIN, 1, 0);
  check_bytes (disk, 20 * GRAIN + 2, GRAIN, 0);
  check_bytes (disk, IMAGE_TABLE_SECTORS + 20 * GRAIN + 1, GRAIN, 0);
  disk_close (disk);
  return err != VIX_OK;
}

/* The same, but the write is tried again by the process that failed. */
static void
retry_after (enum image_kind kind, unsigned call, bool half, bool fail_later)
{
  struct disk *disk = fresh (kind, true);

  calls.fail_at = call;
  calls.half = half;
  calls.fail_later = fail_later;
  fill (0xee, 1);
  disk_write (disk, 9 * GRAIN + 1, 1, data);
  calls.fail_at = 0;
  fill (0x22, 1);
  CHECK_EQUAL (disk_write (disk, 30 * GRAIN + 5, 1, data), VIX_OK);
  check_bytes (disk, 30 * GRAIN, 5, 0);
  check_bytes (disk, 30 * GRAIN + 5, 1, 0x22);
  check_bytes (disk, 30 * GRAIN + 6, GRAIN - 6, 0);
  disk_close (disk);
}

static void
test_failures (void)
{
  for (int kind = IMAGE_SPARSE; kind <= IMAGE_PLAIN; kind++)
    for (unsigned variant = 0; variant < 4; variant++) {
      bool half = variant & 1;
      bool later = variant & 2;
      unsigned call = 1;

      while (fail_at ((enum image_kind)kind, call, half, later))
        call++;
      CHECK (call > 4);
      for (call = 1; call < 6; call++)
        retry_after ((enum image_kind)kind, call, half, later);
    }
}

/* A MiB of new grains: their room, and one write. */
static void
test_calls_of_large_writes (void)
{
  struct disk *disk = used (IMAGE_SPARSE);
  const uint64_t n = 1024 * 1024 / SECTOR;

  fill (0x33, n);
  CHECK_EQUAL (disk_write (disk, 30 * GRAIN, n, data), VIX_OK);
  CHECK_EQUAL (calls.count, 2);
  check_bytes (disk, 30 * GRAIN, n, 0x33);
  disk_close (disk);
}

/* A flush syncs what was written, once; after an error it does so again. */
static void
test_flush (void)
{
  struct disk *disk = used (IMAGE_SPARSE);

  CHECK_EQUAL (disk_flush (disk), VIX_OK);
  CHECK_EQUAL (syncs, 0);
  CHECK_EQUAL (disk_write (disk, 0, 1, data), VIX_OK);
  failing_syncs = 2;
  CHECK_EQUAL (disk_flush (disk), VIX_E_FILE_ERROR);
  CHECK_EQUAL (disk_flush (disk), VIX_E_FILE_ERROR);
  CHECK_EQUAL (disk_flush (disk), VIX_OK);
  CHECK_EQUAL (syncs, 3);
  CHECK_EQUAL (disk_flush (disk), VIX_OK);
  CHECK_EQUAL (syncs, 3);
  disk_close (disk);
}

static void
test_too_big (void)
{
  struct disk *disk = fresh (IMAGE_PLAIN, true);

  disk_close (disk);
  CHECK (truncate (path, (INT64_C (1) << 32) * SECTOR) == 0);
  disk = open_disk (true);
  fill (0x44, 1);
  CHECK_EQUAL (disk_write (disk, 8 * GRAIN, 1, data), VIX_E_FILE_TOO_BIG);
  CHECK_EQUAL (disk_write (disk, IMAGE_TABLE_SECTORS, 1, data),
               VIX_E_FILE_TOO_BIG);
  check_bytes (disk, 8 * GRAIN, 1, 0);
  disk_close (disk);
}

int
main (void)
{
  path = image_path ("image.vmdk");
  test_read ();
  test_ranges ();
  test_order ();
  test_new_table ();
  test_redundant_only ();
  test_left_over_table ();
  test_zeroes ();
  test_failures ();
  test_calls_of_large_writes ();
  test_flush ();
  test_too_big ();
  return 0;
}
