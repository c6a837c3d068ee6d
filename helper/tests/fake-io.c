/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads and writes of the fake library: inline, or completed by a thread in
 * order (late) or last first (shuffle).
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/fake.h"

/* An accepted request; the transfer happens when it is completed. */
struct pending {
  struct pending *next;
  uint64_t start;
  uint64_t count;
  uint8_t *to;         /* of a read */
  const uint8_t *from; /* of a write */
  VixDiskLibCompletionCB callback;
  void *user_data;
  enum fake_action action;
  uint64_t value;
};

struct fake_disk fake_disk;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct pending *queue;
static unsigned nr_pending;
static enum { INLINE, LATE, SHUFFLE } completion;

static void
transfer (const struct pending *p)
{
  uint8_t *at = fake_disk.bytes + p->start * VIXDISKLIB_SECTOR_SIZE;

  if (p->to != NULL)
    memcpy (p->to, at, p->count * VIXDISKLIB_SECTOR_SIZE);
  else
    memcpy (at, p->from, p->count * VIXDISKLIB_SECTOR_SIZE);
}

static void
complete (const struct pending *p)
{
  VixError error = p->action == FAKE_FAIL ? p->value : VIX_OK;

  if (error == VIX_OK)
    transfer (p);
  if (p->action == FAKE_UNKNOWN)
    p->callback ((void *)(uintptr_t)0x7fff0000abcd, error);
  p->callback (p->user_data, error);
  if (p->action == FAKE_DOUBLE)
    p->callback (p->user_data, error);
}

/* Takes the first, after some have gathered if the order is to be shuffled. */
static struct pending *
take (void)
{
  const struct timespec gather = { 0, 200000 };
  struct pending *p;

  pthread_mutex_lock (&lock);
  while (queue == NULL) {
    pthread_cond_wait (&changed, &lock);
    if (completion == SHUFFLE) {
      pthread_mutex_unlock (&lock);
      nanosleep (&gather, NULL);
      pthread_mutex_lock (&lock);
    }
  }
  p = queue;
  queue = p->next;
  pthread_mutex_unlock (&lock);
  return p;
}

static void *
complete_all (void *unused)
{
  (void)unused;
  for (;;) {
    struct pending *p = take ();

    complete (p);
    free (p);
    pthread_mutex_lock (&lock);
    nr_pending--;
    pthread_cond_broadcast (&changed);
    pthread_mutex_unlock (&lock);
  }
  return NULL;
}

void
fake_io_start (void)
{
  const char *mode = getenv ("FAKE_COMPLETION");
  pthread_t thread;

  if (mode != NULL && strcmp (mode, "late") == 0)
    completion = LATE;
  if (mode != NULL && strcmp (mode, "shuffle") == 0)
    completion = SHUFFLE;
  if (pthread_create (&thread, NULL, complete_all, NULL) != 0)
    abort ();
  pthread_detach (thread);
}

unsigned
fake_io_pending (void)
{
  unsigned n;

  pthread_mutex_lock (&lock);
  n = nr_pending;
  pthread_mutex_unlock (&lock);
  return n;
}

/* Checks the rules, then does what the script says.  Returns VIX_OK, or what
 * the submission is to return.
 */
static VixError
check (VixDiskLibHandle handle, struct pending *p)
{
  fake_check_thread ();
  if (handle != &fake_disk || !fake_disk.is_open)
    fake_breach ("I/O on a disk that is not open");
  if (p->count == 0)
    fake_breach ("I/O of no sectors");
  p->action = fake_sectors (p->start, p->count, &p->value);
  if (p->start > fake_disk.sectors || p->count > fake_disk.sectors - p->start)
    return VIX_E_DISK_OUTOFRANGE;
  return p->action == FAKE_REFUSE ? p->value : VIX_OK;
}

static VixError
run_sync (VixDiskLibHandle handle, struct pending *p)
{
  VixError error = check (handle, p);

  if (error != VIX_OK)
    return error;
  if (p->action == FAKE_FAIL)
    return p->value;
  transfer (p);
  return VIX_OK;
}

VixError
VixDiskLib_Read (VixDiskLibHandle handle, VixDiskLibSectorType start_sector,
                 VixDiskLibSectorType nr_sectors, uint8_t *buf)
{
  struct pending p = { .start = start_sector, .count = nr_sectors, .to = buf };

  return run_sync (handle, &p);
}

#if !defined FAKE_NO_WRITE
VixError
VixDiskLib_Write (VixDiskLibHandle handle, VixDiskLibSectorType start_sector,
                  VixDiskLibSectorType nr_sectors, const uint8_t *buf)
{
  struct pending p
      = { .start = start_sector, .count = nr_sectors, .from = buf };

  return run_sync (handle, &p);
}
#endif

#if !defined FAKE_NO_ASYNC
static struct pending *last; /* of LATE */

/* Appends (late) or puts in front (shuffle); under the lock. */
static void
put (struct pending *p)
{
  p->next = completion == SHUFFLE ? queue : NULL;
  if (completion == SHUFFLE)
    queue = p;
  else if (queue == NULL)
    queue = last = p;
  else
    last = last->next = p;
  nr_pending++;
  pthread_cond_broadcast (&changed);
}

static VixError
run_async (VixDiskLibHandle handle, const struct pending *request)
{
  struct pending *p = malloc (sizeof *p);
  VixError error;

  if (p == NULL)
    return VIX_E_OUT_OF_MEMORY;
  *p = *request;
  error = check (handle, p);
  if (error != VIX_OK || completion == INLINE) {
    if (error == VIX_OK)
      complete (p);
    free (p);
    return error == VIX_OK ? VIX_ASYNC : error;
  }
  pthread_mutex_lock (&lock);
  put (p);
  pthread_mutex_unlock (&lock);
  return VIX_ASYNC;
}

VixError
VixDiskLib_ReadAsync (VixDiskLibHandle handle,
                      VixDiskLibSectorType start_sector,
                      VixDiskLibSectorType nr_sectors, uint8_t *buf,
                      VixDiskLibCompletionCB callback, void *user_data)
{
  return run_async (handle, &(struct pending){ .start = start_sector,
                                               .count = nr_sectors,
                                               .to = buf,
                                               .callback = callback,
                                               .user_data = user_data });
}

#if !defined FAKE_NO_WRITE
VixError
VixDiskLib_WriteAsync (VixDiskLibHandle handle,
                       VixDiskLibSectorType start_sector,
                       VixDiskLibSectorType nr_sectors, const uint8_t *buf,
                       VixDiskLibCompletionCB callback, void *user_data)
{
  return run_async (handle, &(struct pending){ .start = start_sector,
                                               .count = nr_sectors,
                                               .from = buf,
                                               .callback = callback,
                                               .user_data = user_data });
}
#endif

#if !defined FAKE_NO_WAIT
VixError
VixDiskLib_Wait (VixDiskLibHandle handle)
{
  uint64_t value;

  fake_check_thread ();
  if (handle != &fake_disk)
    fake_breach ("Wait on a disk that is not open");
  if (fake_at ("Wait", &value) == FAKE_FAIL)
    return value;
  pthread_mutex_lock (&lock);
  while (nr_pending > 0)
    pthread_cond_wait (&changed, &lock);
  pthread_mutex_unlock (&lock);
  return VIX_OK;
}
#endif
#endif
