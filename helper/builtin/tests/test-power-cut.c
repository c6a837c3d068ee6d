/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Power cuts.  What a random workload does to the files of a disk is recorded:
 * pwrite, ftruncate, fallocate and fdatasync are replaced here.  Then the power
 * fails at random places of that record: what was synced is there, of the rest
 * any sectors may be, in any combination.  The disk must open, each sector must
 * have what was flushed last or something written later, and the checker and
 * qemu-img must find nothing wrong.  POWER_CUTS says how many, POWER_CUT_SEED
 * from which seed on.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../config.h"
#include "../create.h"
#include "../disk.h"
#include "check.h"
#include "image.h"

#define SECTOR VIXDISKLIB_SECTOR_SIZE

#define CAPACITY       40000
#define MAX_OPS        4000
#define MAX_WRITES     400
#define MAX_FILE_BYTES (16 * 1024 * 1024)
#define CUTS_PER_RUN   10

/* Starting the judges takes longer than all the rest; a long run asks them
 * about every cut.
 */
#define CUTS_PER_JUDGE 5

/* The descriptor, and its extent. */
enum { NR_FILES = 2 };

static struct {
  const char *path; /* where the workload runs */
  const char *cut;  /* where a cut's result is put */
  ino_t ino;
  uint8_t *initial;
  size_t initial_bytes;
} files[NR_FILES];

struct op {
  enum { OP_WRITE, OP_RESIZE, OP_SYNC, OP_BEGUN, OP_FLUSHED } type;
  int file;
  uint64_t offset; /* of OP_RESIZE: the size; of OP_BEGUN: the write's number */
  size_t length;
  uint8_t *bytes;
};

static struct op ops[MAX_OPS];
static size_t nr_ops;
static bool recording;

struct write {
  uint32_t sector;
  uint32_t nr_sectors;
  uint32_t tag; /* 0: zeroes */
};

static struct write writes[MAX_WRITES];
static size_t nr_writes;

static uint32_t base_tags[CAPACITY]; /* what the parent has */

static uint64_t state;

static char place[100]; /* for messages */

static uint32_t
below (uint32_t end)
{
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (uint32_t)((state * UINT64_C (0x2545f4914f6cdd1d)) >> 32) % end;
}

static int
file_of (int fd)
{
  struct stat st;

  if (!recording || fstat (fd, &st) == -1)
    return -1;
  for (int i = 0; i < NR_FILES; i++)
    if (files[i].ino == st.st_ino)
      return i;
  return -1;
}

static void
record (int type, int file, uint64_t offset, const void *bytes, size_t length)
{
  struct op *op = &ops[nr_ops++];

  CHECK (nr_ops < MAX_OPS);
  *op = (struct op){
    .type = type, .file = file, .offset = offset, .length = length
  };
  if (length > 0) {
    op->bytes = calloc (1, length);
    CHECK (op->bytes);
    if (bytes)
      memcpy (op->bytes, bytes, length);
  }
}

ssize_t
pwrite (int fd, const void *buf, size_t n, off_t offset)
{
  int file = file_of (fd);

  if (file >= 0)
    record (OP_WRITE, file, (uint64_t)offset, buf, n);
  return syscall (SYS_pwrite64, fd, buf, n, offset);
}

int
ftruncate (int fd, off_t size)
{
  int file = file_of (fd);

  if (file >= 0)
    record (OP_RESIZE, file, (uint64_t)size, NULL, 0);
  return (int)syscall (SYS_ftruncate, fd, size);
}

int
fallocate (int fd, int mode, off_t offset, off_t length)
{
  int file = file_of (fd);

  if (file >= 0)
    record (OP_WRITE, file, (uint64_t)offset, NULL, (size_t)length);
  return (int)syscall (SYS_fallocate, fd, mode, offset, length);
}

int
fdatasync (int fd)
{
  int file = file_of (fd);

  if (file >= 0)
    record (OP_SYNC, file, 0, NULL, 0);
  return (int)syscall (SYS_fdatasync, fd);
}

static void
fill (uint8_t *buf, uint32_t nr_sectors, uint32_t tag)
{
  for (size_t i = 0; i < nr_sectors * (size_t)SECTOR; i += 4)
    memcpy (buf + i, &tag, 4);
}

static void
put_text (const char *path, uint32_t cid, const char *parent,
          const char *create_type, const char *extent)
{
  FILE *f = fopen (path, "we");

  CHECK (f);
  fprintf (f,
           "# Disk DescriptorFile\nversion=1\nCID=%08x\nparentCID=%s\n%s"
           "createType=\"%s\"\n# Extent description\n%s\n",
           cid, parent ? "00000077" : "ffffffff", parent ? parent : "",
           create_type, extent);
  CHECK (fclose (f) == 0);
}

static void
make_extent (const char *path, bool cowd)
{
  const struct new_sparse sparse = { .capacity = CAPACITY };
  struct file *file;

  unlink (path);
  CHECK_EQUAL (file_create (path, &file), VIX_OK);
  CHECK_EQUAL (cowd ? create_cowd (file, CAPACITY)
                    : create_sparse (file, &sparse),
               VIX_OK);
  file_close (file);
}

static size_t
load (const char *path, uint8_t **bytes)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t n;

  *bytes = calloc (1, MAX_FILE_BYTES);
  CHECK (fd != -1 && *bytes);
  n = read (fd, *bytes, MAX_FILE_BYTES);
  close (fd);
  CHECK (n >= 0 && n < MAX_FILE_BYTES);
  return (size_t)n;
}

static void
store (const char *path, const uint8_t *bytes, size_t n)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  CHECK (fd != -1 && write (fd, bytes, n) == (ssize_t)n);
  close (fd);
}

static void
remember_files (void)
{
  for (int i = 0; i < NR_FILES; i++) {
    struct stat st;

    CHECK (stat (files[i].path, &st) == 0);
    files[i].ino = st.st_ino;
    files[i].initial_bytes = load (files[i].path, &files[i].initial);
  }
}

/* A new streamOptimized disk, all in one file. */
static void
make_stream (void)
{
  const VixDiskLibCreateParams params
      = { .diskType = VIXDISKLIB_DISK_STREAM_OPTIMIZED, .capacity = CAPACITY };

  unlink (files[0].path);
  CHECK_EQUAL (disk_create (files[0].path, &params, NULL, NULL), VIX_OK);
  store (files[1].path, (const uint8_t *)"", 0);
  remember_files ();
}

/* A new disk, with a parent or without. */
static void
make_disk (bool cowd, bool child)
{
  static const char parent[] = "parentFileNameHint=\"base.vmdk\"\n";
  char line[100];

  make_extent (files[1].path, cowd);
  snprintf (line, sizeof line, "RW %d %s \"extent.vmdk\"", CAPACITY,
            cowd ? "VMFSSPARSE" : "SPARSE");
  put_text (files[0].path, 0x12345678, child ? parent : NULL,
            cowd ? "vmfsSparse" : "twoGbMaxExtentSparse", line);
  remember_files ();
}

/* Random writes and flushes, then a close. */
static void
run_workload (void)
{
  static uint8_t buf[2000 * SECTOR];
  struct disk *disk;

  CHECK_EQUAL (disk_open (files[0].path, DISK_WRITABLE, &disk), VIX_OK);
  recording = true;
  nr_ops = nr_writes = 0;
  for (uint32_t left = 5 + below (60); left > 0; left--) {
    struct write *w = &writes[nr_writes];

    if (below (8) == 0) {
      CHECK_EQUAL (disk_flush (disk), VIX_OK);
      record (OP_FLUSHED, 0, 0, NULL, 0);
      continue;
    }
    w->nr_sectors = 1 + below (below (4) ? 40 : 2000);
    w->sector = below (CAPACITY - w->nr_sectors);
    if (below (3) == 0)
      w->sector -= w->sector % 128;
    w->tag = below (5) ? (uint32_t)nr_writes + 1000 : 0;
    fill (buf, w->nr_sectors, w->tag);
    record (OP_BEGUN, 0, nr_writes++, NULL, 0);
    CHECK_EQUAL (disk_write (disk, w->sector, w->nr_sectors, buf), VIX_OK);
  }
  CHECK_EQUAL (disk_close (disk), VIX_OK);
  record (OP_FLUSHED, 0, 0, NULL, 0);
  recording = false;
}

static size_t
grow (size_t have, size_t to)
{
  CHECK (to < MAX_FILE_BYTES);
  return to > have ? to : have;
}

/* One file after a cut behind the first nr of ops. */
static void
cut_file (int file, size_t nr)
{
  uint8_t *bytes = malloc (MAX_FILE_BYTES);
  size_t size = files[file].initial_bytes;
  size_t synced = 0;
  uint32_t odds = below (5); /* from nothing to nearly everything */

  CHECK (bytes);
  memcpy (bytes, files[file].initial, MAX_FILE_BYTES);
  for (size_t i = 0; i < nr; i++)
    if (ops[i].file == file && ops[i].type == OP_SYNC)
      synced = i;
  for (size_t i = 0; i < nr; i++) {
    const struct op *op = &ops[i];

    if (op->file != file)
      continue;
    if (op->type == OP_RESIZE && (i < synced || below (4) < odds)) {
      if (op->offset < size)
        memset (bytes + op->offset, 0, size - op->offset);
      size = op->offset;
    }
    if (op->type != OP_WRITE)
      continue;
    for (size_t at = 0, n; at < op->length; at += n) {
      n = SECTOR - (op->offset + at) % SECTOR;
      if (n > op->length - at)
        n = op->length - at;
      if (i >= synced && below (4) >= odds)
        continue;
      memcpy (bytes + op->offset + at, op->bytes + at, n);
      size = grow (size, op->offset + at + n);
    }
  }
  /* What lies behind the end is not there. */
  store (files[file].cut, bytes, size);
  free (bytes);
}

/* Each sector has what was flushed last, or something written since. */
static void
check_content (size_t nr)
{
  static uint32_t flushed[CAPACITY], now[CAPACITY];
  static uint8_t got[CAPACITY * SECTOR];
  struct disk *disk;
  size_t first_later = 0, later = 0;

  memcpy (flushed, base_tags, sizeof flushed);
  memcpy (now, base_tags, sizeof now);
  for (size_t i = 0; i < nr; i++)
    if (ops[i].type == OP_FLUSHED) {
      memcpy (flushed, now, sizeof now);
      first_later = later;
    }
    else if (ops[i].type == OP_BEGUN) {
      const struct write *w = &writes[later++];

      for (uint32_t s = 0; s < w->nr_sectors; s++)
        now[w->sector + s] = w->tag;
    }
  CHECK_EQUAL (disk_open (files[0].cut, 0, &disk), VIX_OK);
  CHECK_EQUAL (disk_read (disk, 0, CAPACITY, got), VIX_OK);
  CHECK_EQUAL (disk_close (disk), VIX_OK);
  for (uint32_t s = 0; s < CAPACITY; s++) {
    uint32_t tag;
    bool ok;

    memcpy (&tag, got + s * (size_t)SECTOR, 4);
    CHECK (memcmp (got + s * (size_t)SECTOR, got + s * (size_t)SECTOR + 4,
                   SECTOR - 4)
           == 0);
    ok = tag == flushed[s];
    for (size_t i = first_later; !ok && i < later; i++)
      ok = tag == writes[i].tag && s >= writes[i].sector
           && s < writes[i].sector + writes[i].nr_sectors;
    if (!ok) {
      fprintf (stderr, "%s: sector %u has %u, was flushed with %u\n", place, s,
               tag, flushed[s]);
      exit (1);
    }
  }
}

/* 0, or 3: there is room that nothing uses. */
static void
run_judge (const char *command, const char *path)
{
  char line[1000];
  int status;

  snprintf (line, sizeof line, "%s %s >/dev/null", command, path);
  status = system (line);
  if (!WIFEXITED (status)
      || (WEXITSTATUS (status) && WEXITSTATUS (status) != 3))
    fprintf (stderr, "%s: %d\n", line, status);
  CHECK (WIFEXITED (status)
         && (WEXITSTATUS (status) == 0 || WEXITSTATUS (status) == 3));
}

/* The next writer gets on with what a cut has left. */
static void
write_after (void)
{
  static uint8_t buf[300 * SECTOR], got[300 * SECTOR];
  uint32_t sector = below (CAPACITY - 300);
  struct disk *disk;

  fill (buf, 300, 7);
  CHECK_EQUAL (disk_open (files[0].cut, DISK_WRITABLE, &disk), VIX_OK);
  CHECK_EQUAL (disk_write (disk, sector, 300, buf), VIX_OK);
  CHECK_EQUAL (disk_close (disk), VIX_OK);
  CHECK_EQUAL (disk_open (files[0].cut, 0, &disk), VIX_OK);
  CHECK_EQUAL (disk_read (disk, sector, 300, got), VIX_OK);
  CHECK (memcmp (buf, got, sizeof buf) == 0);
  CHECK_EQUAL (disk_close (disk), VIX_OK);
}

static void
make_base (const char *path, const char *extent)
{
  static uint8_t bytes[CAPACITY * SECTOR];
  char line[100];

  for (uint32_t s = 0; s < CAPACITY; s++)
    fill (bytes + s * (size_t)SECTOR, 1, s % 7 ? 500000 + s : 0);
  store (extent, bytes, sizeof bytes);
  snprintf (line, sizeof line, "RW %d FLAT \"base-flat.vmdk\" 0", CAPACITY);
  put_text (path, 0x77, NULL, "monolithicFlat", line);
}

static void
forget (void)
{
  for (size_t i = 0; i < nr_ops; i++)
    free (ops[i].bytes);
  for (int i = 0; i < NR_FILES; i++)
    free (files[i].initial);
}

/* One workload and its cuts, chosen by the number of the run. */
static void
try_run (uint64_t run, const char *checker, bool judge_all)
{
  bool stream = run % 5 == 0;
  bool child = !stream && (run & 2);

  state = run * UINT64_C (0x9e3779b97f4a7c15) + 1;
  memset (base_tags, 0, sizeof base_tags);
  for (uint32_t s = 0; child && s < CAPACITY; s++)
    base_tags[s] = s % 7 ? 500000 + s : 0;
  files[0].cut = files[0].path;
  files[1].cut = files[1].path;
  if (stream)
    make_stream ();
  else
    make_disk (run & 1, child);
  run_workload ();
  for (int i = 0; i < CUTS_PER_RUN; i++) {
    size_t nr = below ((uint32_t)nr_ops + 1);

    snprintf (place, sizeof place, "run %" PRIu64 ", cut at %zu of %zu", run,
              nr, nr_ops);
    if (judge_all)
      fprintf (stderr, "\r%s ", place);
    cut_file (0, nr);
    cut_file (1, nr);
    check_content (nr);
    if (stream) /* a cut may leave it unfinished: for us, not for others */
      write_after ();
    if (judge_all || i % CUTS_PER_JUDGE == 0) {
      run_judge (checker, files[0].cut);
      run_judge ("qemu-img check -q -f vmdk", files[0].cut);
    }
    write_after ();
  }
  forget ();
}

int
main (int argc, char *argv[])
{
  /* A footer without its directory. */
  static const uint64_t found[] = { 10040 };
  const char *cuts = getenv ("POWER_CUTS");
  const char *seed = getenv ("POWER_CUT_SEED");
  uint64_t runs = ((cuts ? strtoull (cuts, NULL, 10) : 100) + CUTS_PER_RUN - 1)
                  / CUTS_PER_RUN;
  uint64_t first = seed ? strtoull (seed, NULL, 10) : 1;
  char checker[500];

  CHECK (argc == 1);
  config.read_truncated = true;
  /* Of the same build as this, so that sanitizers see it too. */
  snprintf (checker, sizeof checker, "%.*s/../helper/vddk-nbd-check",
            (int)(strrchr (argv[0], '/') - argv[0]), argv[0]);
  files[0].path = image_path ("disk.vmdk");
  files[1].path = image_path ("extent.vmdk");
  make_base (image_path ("base.vmdk"), image_path ("base-flat.vmdk"));
  for (size_t i = 0; i < sizeof found / sizeof found[0]; i++)
    try_run (found[i], checker, false);
  for (uint64_t run = first; run < first + runs; run++)
    try_run (run, checker, cuts != NULL);
  fputc ('\n', stderr);
  return 0;
}
