/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Drives a disk library through the ABI, for tests that compare it with other
 * programs.  Not installed.
 *
 *   vmdk-tool [-l LIBRARY] [-c CONFIG] [-r] [-s] IMAGE COMMAND [ARGUMENT...]
 *     info                       capacity and the rest of GetInfo, as JSON
 *     read FILE                  the whole disk into a raw FILE
 *     write FILE                 a raw FILE onto the disk, then flush
 *     map                        allocated runs, as JSON
 *     random SEED COUNT SHADOW   random operations, mirrored in a raw SHADOW;
 *                                every read is checked against it
 *     compare SHADOW             first and last sector that differ, as JSON
 *     create TYPE SECTORS ADAPTER HWVERSION
 *                                makes IMAGE; numbers as in vixdisklib.h
 *     hold                       says "open" and waits for the end of stdin
 *
 * -r opens it read-only, -s without its parents.
 * Warnings of the library go to stderr.  Exit code 1 and "error CODE: TEXT" if
 * a call fails.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vixdisklib.h"

/* The default library lies at a fixed place beside the tool. */
#define DEFAULT_LIBRARY "../builtin/lib64/libvixDiskLib.so.8"

#define MAX_SECTORS 4096
#define CHUNK       VIXDISKLIB_MIN_CHUNK_SIZE

#define DECLARE(type, name, parameters) type (*name) parameters;
static struct {
  VIXDISKLIB_FUNCTIONS (DECLARE)
} vix;

static VixDiskLibHandle disk;
static uint64_t capacity;
static uint8_t buffer[MAX_SECTORS * VIXDISKLIB_SECTOR_SIZE];
static uint8_t other[MAX_SECTORS * VIXDISKLIB_SECTOR_SIZE];

static void __attribute__ ((noreturn)) die (const char *what)
{
  perror (what);
  exit (2);
}

static void
check (VixError err)
{
  char *text;

  if (err == VIX_OK)
    return;
  text = vix.GetErrorText (err, NULL);
  fprintf (stderr, "error %" PRIu64 ": %s\n", err, text);
  vix.FreeErrorText (text);
  exit (1);
}

static void
print_warning (const char *fmt, va_list args)
{
  char line[4096];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  vsnprintf (line, sizeof line, fmt, args);
#pragma GCC diagnostic pop
  fprintf (stderr, "%s\n", line);
}

static void
ignore_log (const char *fmt, va_list args)
{
  (void)fmt;
  (void)args;
}

static void
load (const char *argv0, const char *library)
{
  char path[4096];
  const char *slash = strrchr (argv0, '/');
  void *so;

  if (!library) {
    snprintf (path, sizeof path, "%.*s" DEFAULT_LIBRARY,
              slash ? (int)(slash - argv0) + 1 : 0, argv0);
    library = path;
  }
  so = dlopen (library, RTLD_NOW);
  if (!so) {
    fprintf (stderr, "%s\n", dlerror ());
    exit (2);
  }
#define RESOLVE(type, name, parameters)                                        \
  {                                                                            \
    void *symbol = dlsym (so, "VixDiskLib_" #name);                            \
    if (!symbol)                                                               \
      die (#name);                                                             \
    memcpy (&vix.name, &symbol, sizeof symbol);                                \
  }
  VIXDISKLIB_FUNCTIONS (RESOLVE)
}

/* One asynchronous request, waited for. */
static unsigned completions;

static void
count_completion (void *user_data, VixError result)
{
  (void)user_data;
  check (result);
  completions++;
}

static void
request (bool write, uint64_t sector, uint64_t n)
{
  unsigned before = completions;
  VixError err;

  if (write)
    err = vix.WriteAsync (disk, sector, n, buffer, count_completion, NULL);
  else
    err = vix.ReadAsync (disk, sector, n, buffer, count_completion, NULL);
  check (err == VIX_ASYNC ? VIX_OK : err);
  check (vix.Wait (disk));
  if (completions != before + 1)
    die ("a request did not complete once");
}

static bool
all_zero (const uint8_t *p, size_t n)
{
  return p[0] == 0 && memcmp (p, p + 1, n - 1) == 0;
}

static size_t
bytes (uint64_t sectors)
{
  return (size_t)sectors * VIXDISKLIB_SECTOR_SIZE;
}

static void
shadow_read (int fd, uint64_t sector, uint64_t n, uint8_t *p)
{
  if (pread (fd, p, bytes (n), (off_t)bytes (sector)) != (ssize_t)bytes (n))
    die ("reading the raw file");
}

static void
shadow_write (int fd, uint64_t sector, uint64_t n, const uint8_t *p)
{
  if (pwrite (fd, p, bytes (n), (off_t)bytes (sector)) != (ssize_t)bytes (n))
    die ("writing the raw file");
}

static int
open_raw (const char *path, int flags)
{
  int fd = open (path, flags | O_CLOEXEC, 0644);

  if (fd == -1)
    die (path);
  if ((flags & O_CREAT) && ftruncate (fd, (off_t)bytes (capacity)) == -1)
    die (path);
  return fd;
}

static uint64_t
step (uint64_t sector)
{
  uint64_t left = capacity - sector;

  return left < MAX_SECTORS ? left : MAX_SECTORS;
}

static void
run_info (void)
{
  VixDiskLibInfo *info;

  check (vix.GetInfo (disk, &info));
  printf ("{\"capacity\": %" PRIu64 ", \"adapterType\": %d, \"numLinks\": %d, "
          "\"cylinders\": %u, \"heads\": %u, \"sectors\": %u, "
          "\"logicalSectorSize\": %u, \"physicalSectorSize\": %u, "
          "\"uuid\": \"%s\", \"transportMode\": \"%s\"}\n",
          info->capacity, (int)info->adapterType, info->numLinks,
          info->physGeo.cylinders, info->physGeo.heads, info->physGeo.sectors,
          info->logicalSectorSize, info->physicalSectorSize,
          info->uuid ? info->uuid : "", vix.GetTransportMode (disk));
  vix.FreeInfo (info);
}

static void
run_read (const char *path)
{
  int fd = open_raw (path, O_WRONLY | O_CREAT | O_TRUNC);
  uint64_t n;

  for (uint64_t sector = 0; sector < capacity; sector += n) {
    n = step (sector);
    request (false, sector, n);
    if (!all_zero (buffer, bytes (n)))
      shadow_write (fd, sector, n, buffer);
  }
  close (fd);
}

static void
run_write (const char *path)
{
  int fd = open_raw (path, O_RDONLY);
  uint64_t n;

  for (uint64_t sector = 0; sector < capacity; sector += n) {
    n = step (sector);
    shadow_read (fd, sector, n, buffer);
    request (true, sector, n);
  }
  check (vix.Flush (disk));
  close (fd);
}

static void
run_map (void)
{
  const uint64_t piece = (uint64_t)CHUNK * VIXDISKLIB_MAX_CHUNK_NUMBER;
  const uint64_t whole = capacity / CHUNK * CHUNK;
  const char *comma = "";
  uint64_t n;

  putchar ('[');
  for (uint64_t sector = 0; sector < whole; sector += n) {
    VixDiskLibBlockList *list;

    n = whole - sector < piece ? whole - sector : piece;
    check (vix.QueryAllocatedBlocks (disk, sector, n, CHUNK, &list));
    for (uint32_t i = 0; i < list->numBlocks; i++) {
      printf ("%s[%" PRIu64 ", %" PRIu64 "]", comma, list->blocks[i].offset,
              list->blocks[i].length);
      comma = ", ";
    }
    check (vix.FreeBlockList (list));
  }
  puts ("]");
}

/* xorshift64*: the same sequence everywhere. */
static uint64_t
next_random (uint64_t *state)
{
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * UINT64_C (0x2545f4914f6cdd1d);
}

/* Mostly short, sometimes long; anywhere, often at a grain's edge. */
static void
random_range (uint64_t *state, uint64_t *sector, uint64_t *n)
{
  uint64_t max = next_random (state) % 4 ? 64 : MAX_SECTORS;

  *sector = next_random (state) % capacity;
  if (next_random (state) % 4 == 0)
    *sector -= *sector % 128;
  *n = 1 + next_random (state) % max;
  if (*n > capacity - *sector)
    *n = capacity - *sector;
}

static void
random_fill (uint64_t *state, uint64_t n)
{
  uint64_t kind = next_random (state) % 4;

  memset (buffer, 0, bytes (n));
  for (uint64_t i = 0; i < n; i++) {
    uint8_t *p = buffer + bytes (i);

    /* 0: all zeroes; 1: zeroes in between; else: none */
    if (kind == 0 || (kind == 1 && (i / 128) % 2 == 0))
      continue;
    for (size_t j = 0; j < VIXDISKLIB_SECTOR_SIZE; j += 8) {
      uint64_t v = next_random (state);

      memcpy (p + j, &v, 8);
    }
  }
}

static void
run_random (const char *seed, const char *count, const char *path)
{
  uint64_t state = strtoull (seed, NULL, 10) * 2 + 1;
  uint64_t left = strtoull (count, NULL, 10);
  int fd = open_raw (path, O_RDWR | O_CREAT);
  uint64_t sector, n;

  for (; left > 0; left--) {
    uint64_t operation = next_random (&state) % 16;

    random_range (&state, &sector, &n);
    if (operation == 0)
      check (vix.Flush (disk));
    else if (operation < 6) {
      request (false, sector, n);
      shadow_read (fd, sector, n, other);
      if (memcmp (buffer, other, bytes (n)) != 0) {
        fprintf (stderr, "wrong bytes in %" PRIu64 "+%" PRIu64 "\n", sector, n);
        exit (3);
      }
    }
    else {
      random_fill (&state, n);
      request (true, sector, n);
      shadow_write (fd, sector, n, buffer);
    }
  }
  close (fd);
}

static void
run_compare (const char *path)
{
  int fd = open_raw (path, O_RDONLY);
  uint64_t first = capacity;
  uint64_t last = 0;
  uint64_t n;

  for (uint64_t sector = 0; sector < capacity; sector += n) {
    n = step (sector);
    request (false, sector, n);
    shadow_read (fd, sector, n, other);
    for (uint64_t i = 0; i < n; i++) {
      if (memcmp (buffer + bytes (i), other + bytes (i), bytes (1)) == 0)
        continue;
      if (first == capacity)
        first = sector + i;
      last = sector + i;
    }
  }
  if (first == capacity)
    puts ("null");
  else
    printf ("[%" PRIu64 ", %" PRIu64 "]\n", first, last);
  close (fd);
}

static void
run_hold (void)
{
  puts ("open");
  fflush (stdout);
  while (getchar () != EOF)
    ;
}

static void
run_create (VixDiskLibConnection connection, char *argv[])
{
  const VixDiskLibCreateParams params = {
    .diskType = (VixDiskLibDiskType)strtoul (argv[2], NULL, 10),
    .capacity = strtoull (argv[3], NULL, 10),
    .adapterType = (VixDiskLibAdapterType)strtoul (argv[4], NULL, 10),
    .hwVersion = (uint16_t)strtoul (argv[5], NULL, 10),
  };

  check (vix.Create (connection, argv[0], &params, NULL, NULL));
}

static void
open_disk (VixDiskLibConnection connection, const char *path, uint32_t flags)
{
  VixDiskLibInfo *info;

  check (vix.Open (connection, path, flags, &disk));
  check (vix.GetInfo (disk, &info));
  capacity = info->capacity;
  vix.FreeInfo (info);
}

static bool
run (int argc, char *argv[])
{
  const char *command = argv[0];

  if (strcmp (command, "info") == 0 && argc == 1)
    run_info ();
  else if (strcmp (command, "read") == 0 && argc == 2)
    run_read (argv[1]);
  else if (strcmp (command, "write") == 0 && argc == 2)
    run_write (argv[1]);
  else if (strcmp (command, "map") == 0 && argc == 1)
    run_map ();
  else if (strcmp (command, "random") == 0 && argc == 4)
    run_random (argv[1], argv[2], argv[3]);
  else if (strcmp (command, "compare") == 0 && argc == 2)
    run_compare (argv[1]);
  else if (strcmp (command, "hold") == 0 && argc == 1)
    run_hold ();
  else
    return false;
  return true;
}

int
main (int argc, char *argv[])
{
  VixDiskLibConnectParams *params;
  VixDiskLibConnection connection;
  const char *library = NULL;
  const char *config = NULL;
  uint32_t flags = 0;
  bool known;
  int c;

  while ((c = getopt (argc, argv, "+c:l:rs")) != -1) {
    if (c == 'l')
      library = optarg;
    else if (c == 'c')
      config = optarg;
    else if (c == 'r')
      flags |= VIXDISKLIB_FLAG_OPEN_READ_ONLY;
    else if (c == 's')
      flags |= VIXDISKLIB_FLAG_OPEN_SINGLE_LINK;
    else
      return 2;
  }
  if (argc - optind < 2)
    return 2;
  load (argv[0], library);
  check (vix.InitEx (6, 5, ignore_log, print_warning, print_warning, NULL,
                     config));
  params = vix.AllocateConnectParams ();
  check (vix.ConnectEx (params, (flags & VIXDISKLIB_FLAG_OPEN_READ_ONLY) != 0,
                        NULL, NULL, &connection));
  if (argc - optind == 6 && strcmp (argv[optind + 1], "create") == 0) {
    run_create (connection, argv + optind);
    known = true;
  }
  else {
    open_disk (connection, argv[optind], flags);
    known = run (argc - optind - 1, argv + optind + 1);
    check (vix.Close (disk));
  }
  check (vix.Disconnect (connection));
  vix.FreeConnectParams (params);
  vix.Exit ();
  return known ? 0 : 2;
}
