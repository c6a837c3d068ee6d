/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The library's rules for its caller.  Those that cost nothing are always
 * on; buffers are watched only on request, since that touches every byte.
 */
#include "checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More handles than any test has. */
enum { KNOWN_MAX = 64 };

static bool is_initialised;
static bool any_thread;
static pthread_t init_thread;
static _Atomic int background_tid;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *disks[KNOWN_MAX];
static void *connections[KNOWN_MAX];
/* The disk that was asked for last: spares the search and the lock. */
static struct disk *_Atomic recent;

void
breach (const char *rule)
{
  dprintf (STDERR_FILENO, "fault-engine: breach: %s\n", rule);
  abort ();
}

void
misuse (const char *fmt, ...)
{
  char line[512];
  va_list args;

  va_start (args, fmt);
  vsnprintf (line, sizeof line, fmt, args);
  va_end (args);
  dprintf (STDERR_FILENO, "fault-engine: %s\n", line);
  abort ();
}

void
checks_init (bool any)
{
  is_initialised = true;
  any_thread = any;
  init_thread = pthread_self ();
}

bool
checks_is_initialised (void)
{
  return is_initialised;
}

void
checks_set_background_thread (void)
{
  atomic_store (&background_tid, (int)syscall (SYS_gettid));
}

bool
checks_has_background_thread (void)
{
  return atomic_load (&background_tid) != 0;
}

void
check_initialised (void)
{
  if (!is_initialised)
    breach ("a call before InitEx");
}

void
check_thread (const char *function)
{
  char rule[80];

  check_initialised ();
  if (any_thread || pthread_equal (init_thread, pthread_self ()))
    return;
  snprintf (rule, sizeof rule, "%s on another thread than InitEx", function);
  breach (rule);
}

void
check_background_thread (void)
{
  if (syscall (SYS_tgkill, getpid (), atomic_load (&background_tid), 0) == -1)
    breach ("the background thread is gone: a fork after InitEx");
}

static void
remember (void **known, void *what)
{
  pthread_mutex_lock (&lock);
  for (int i = 0; i < KNOWN_MAX; i++)
    if (known[i] == NULL) {
      known[i] = what;
      pthread_mutex_unlock (&lock);
      return;
    }
  breach ("too many handles");
}

static bool
is_known (void *const *known, const void *what)
{
  bool found = false;

  pthread_mutex_lock (&lock);
  for (int i = 0; i < KNOWN_MAX && what != NULL; i++)
    found |= known[i] == what;
  pthread_mutex_unlock (&lock);
  return found;
}

static void
forget (void **known, const void *what)
{
  pthread_mutex_lock (&lock);
  for (int i = 0; i < KNOWN_MAX; i++)
    if (known[i] == what)
      known[i] = NULL;
  pthread_mutex_unlock (&lock);
}

void
checks_add_disk (struct disk *disk)
{
  remember (disks, disk);
}

void
checks_forget_disk (struct disk *disk)
{
  atomic_store (&recent, NULL);
  forget (disks, disk);
}

void
checks_add_connection (struct connection *connection)
{
  remember (connections, connection);
}

void
checks_forget_connection (struct connection *connection)
{
  forget (connections, connection);
}

struct connection *
check_connection (VixDiskLibConnection connection)
{
  if (!is_known (connections, connection))
    breach ("a connection that there is not");
  return connection;
}

struct disk *
check_enter (VixDiskLibHandle handle)
{
  struct disk *disk = handle;

  check_initialised ();
  if (handle == NULL || atomic_load (&recent) != disk) {
    if (!is_known (disks, disk))
      breach ("a handle that is not open");
    atomic_store (&recent, disk);
  }
  if (atomic_exchange (&disk->in_call, true))
    breach ("two calls at once on a handle");
  return disk;
}

void
check_leave (struct disk *disk)
{
  atomic_store (&disk->in_call, false);
}

void
check_request (const struct request *r)
{
  int style = r->callback == NULL ? STYLE_SYNC : STYLE_ASYNC;
  int before = STYLE_NONE;

  if (!atomic_compare_exchange_strong (&r->disk->style, &before, style)
      && before != style)
    breach ("sync and async calls on one handle");
  if (r->nr_sectors == 0)
    breach ("a request of no sectors");
  if (r->start_sector > r->disk->nr_sectors
      || r->nr_sectors > r->disk->nr_sectors - r->start_sector)
    breach ("a request outside the disk");
  if (r->is_write ? r->write_from == NULL : r->read_to == NULL)
    breach ("a request without a buffer");
}

void
check_chunks (uint64_t start_sector, uint64_t nr_sectors, uint64_t chunk_size)
{
  if (chunk_size < VIXDISKLIB_MIN_CHUNK_SIZE)
    breach ("QueryAllocatedBlocks with chunks of less than 128 sectors");
  if (start_sector % chunk_size != 0 || nr_sectors % chunk_size != 0
      || nr_sectors == 0)
    breach ("QueryAllocatedBlocks of other than whole chunks");
  if (nr_sectors / chunk_size > VIXDISKLIB_MAX_CHUNK_NUMBER)
    breach ("QueryAllocatedBlocks of more than 524288 chunks");
}

/* The n-th eight bytes of the pattern of a request. */
static uint64_t
pattern (const struct request *r, uint64_t n)
{
  return mixed (r->number) + n * UINT64_C (0x0101010101010101);
}

static uint64_t
checksum (const struct request *r)
{
  uint64_t sum = 0, word;

  for (uint64_t at = 0; at < bytes_of (r); at += sizeof word) {
    memcpy (&word, r->write_from + at, sizeof word);
    sum = (sum ^ word) * UINT64_C (1099511628211);
    sum ^= sum >> 32;
  }
  return sum;
}

void
check_buffer_begin (struct request *r)
{
  r->is_checked = true;
  if (r->is_write) {
    r->checksum = checksum (r);
    return;
  }
  for (uint64_t n = 0; n < bytes_of (r) / sizeof n; n++) {
    uint64_t word = pattern (r, n);

    memcpy (r->read_to + n * sizeof word, &word, sizeof word);
  }
}

void
check_buffer_end (const struct request *r)
{
  if (!r->is_checked)
    return;
  if (r->is_write) {
    if (checksum (r) != r->checksum)
      breach ("the buffer of a write changed before its callback");
    return;
  }
  for (uint64_t n = 0; n < bytes_of (r) / sizeof n; n++) {
    uint64_t word = pattern (r, n);

    if (memcmp (r->read_to + n * sizeof word, &word, sizeof word) != 0)
      breach ("the buffer of a read changed before its callback");
  }
}
