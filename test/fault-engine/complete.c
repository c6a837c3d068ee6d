/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The background thread and its requests: a heap by the time they are due.
 * As many wait as were submitted, so latency doesn't cost bandwidth.
 */
#include "complete.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "checks.h"

/* How far `shuffle` throws requests apart. */
#define SHUFFLE_NS UINT64_C (500000)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t earlier; /* the first is another; CLOCK_MONOTONIC */
static pthread_cond_t completed = PTHREAD_COND_INITIALIZER;
static struct request *heap[PENDING_MAX];
static unsigned nr_pending;
/* Those that are never completed: at the end of the array, downwards. */
static unsigned nr_never;
static uint64_t link_free_ns; /* when `bandwidth` has room again */
static uint64_t latency_ns;
static _Atomic uint64_t requests_in_flight;
static _Atomic uint64_t bytes_in_flight;

static bool
is_before (const struct request *a, const struct request *b)
{
  return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void
push (struct request *r)
{
  unsigned at = nr_pending++;

  while (at > 0 && is_before (r, heap[(at - 1) / 2])) {
    heap[at] = heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  heap[at] = r;
}

static struct request *
pop (void)
{
  struct request *first = heap[0], *last = heap[--nr_pending];
  unsigned at = 0;

  for (;;) {
    unsigned child = 2 * at + 1;

    if (child >= nr_pending)
      break;
    if (child + 1 < nr_pending && is_before (heap[child + 1], heap[child]))
      child++;
    if (!is_before (heap[child], last))
      break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = last;
  return first;
}

/* Waits until a request is due and takes it; under the lock. */
static struct request *
next_due (void)
{
  for (;;) {
    uint64_t due;
    struct timespec until;

    if (nr_pending == 0) {
      pthread_cond_wait (&earlier, &lock);
      continue;
    }
    due = heap[0]->due_ns;
    if (due <= now_ns ())
      return pop ();
    until.tv_sec = (time_t)(due / UINT64_C (1000000000));
    until.tv_nsec = (long)(due % UINT64_C (1000000000));
    pthread_cond_timedwait (&earlier, &lock, &until);
  }
}

static void
completed_one (struct disk *disk)
{
  pthread_mutex_lock (&lock);
  if (atomic_fetch_sub (&disk->uncompleted, 1) == 1)
    pthread_cond_broadcast (&completed);
  pthread_mutex_unlock (&lock);
}

static void *
run (void *unused)
{
  (void)unused;
  checks_set_background_thread ();
  prctl (PR_SET_TIMERSLACK, 1UL);
  for (;;) {
    struct request *r;
    struct disk *disk;

    pthread_mutex_lock (&lock);
    r = next_due ();
    pthread_mutex_unlock (&lock);
    disk = r->disk;
    atomic_fetch_sub (&requests_in_flight, 1);
    atomic_fetch_sub (&bytes_in_flight, bytes_of (r));
    atomic_fetch_sub (&disk->unanswered, 1);
    io_finish (r);
    free (r);
    completed_one (disk);
  }
  return NULL;
}

/* FAULT_LATENCY_US: 0, the default, to a minute. */
static void
read_latency (void)
{
  const char *text = getenv ("FAULT_LATENCY_US");
  char *end;
  unsigned long long us;

  if (text == NULL || *text == '\0')
    return;
  errno = 0;
  us = strtoull (text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || errno != 0
      || us > 60 * 1000 * 1000)
    misuse ("FAULT_LATENCY_US is 0 to 60000000, not %s", text);
  latency_ns = us * 1000;
}

uint64_t
complete_latency_ns (void)
{
  return latency_ns;
}

void
complete_init (void)
{
  pthread_condattr_t attr;
  pthread_t thread;
  int error;

  read_latency ();
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&earlier, &attr);
  pthread_condattr_destroy (&attr);
  error = pthread_create (&thread, NULL, run, NULL);
  if (error != 0)
    misuse ("pthread_create: %s", strerror (error));
  pthread_detach (thread);
  while (!checks_has_background_thread ())
    sched_yield ();
}

/* When a request is due; under the lock. */
static uint64_t
due_ns (const struct request *r, const struct verdict *v)
{
  uint64_t now = now_ns (), due = now + latency_ns + v->delay_ns;

  if (v->is_shuffled)
    due += mixed (r->number) % SHUFFLE_NS;
  if (v->bytes_per_s > 0) {
    double s = (double)bytes_of (r) / (double)v->bytes_per_s;

    if (link_free_ns < now)
      link_free_ns = now;
    link_free_ns += (uint64_t)(s * 1e9);
    if (link_free_ns > due)
      due = link_free_ns;
  }
  return due;
}

static VixError
enqueue (const struct request *r, const struct verdict *v)
{
  struct request *copy = malloc (sizeof *copy);

  if (copy == NULL)
    misuse ("out of memory");
  *copy = *r;
  atomic_fetch_add (&requests_in_flight, 1);
  atomic_fetch_add (&bytes_in_flight, bytes_of (r));
  atomic_fetch_add (&r->disk->unanswered, 1);
  atomic_fetch_add (&r->disk->uncompleted, 1);
  pthread_mutex_lock (&lock);
  if (nr_pending + nr_never == PENDING_MAX)
    breach ("more than 65536 requests in flight");
  copy->due_ns = due_ns (r, v);
  if (v->is_never)
    heap[PENDING_MAX - ++nr_never] = copy;
  else {
    push (copy);
    if (heap[0] == copy)
      pthread_cond_signal (&earlier);
  }
  pthread_mutex_unlock (&lock);
  return VIX_ASYNC;
}

VixError
complete_submit (const struct request *r, const struct verdict *v)
{
  struct request now = *r;

  if (latency_ns > 0 || v->delay_ns > 0 || v->bytes_per_s > 0 || v->is_late
      || v->is_shuffled)
    return enqueue (r, v);
  io_finish (&now);
  return VIX_ASYNC;
}

bool
complete_has_room (uint64_t max_requests, uint64_t max_bytes, uint64_t bytes)
{
  return (max_requests == 0
          || atomic_load (&requests_in_flight) + 1 <= max_requests)
         && (max_bytes == 0
             || atomic_load (&bytes_in_flight) + bytes <= max_bytes);
}

void
complete_wait (struct disk *disk)
{
  pthread_mutex_lock (&lock);
  while (atomic_load (&disk->uncompleted) != 0)
    pthread_cond_wait (&completed, &lock);
  pthread_mutex_unlock (&lock);
}

void
complete_each_pending (void (*f) (const struct request *r))
{
  bool is_locked = pthread_mutex_trylock (&lock) == 0;

  for (unsigned i = 0; i < nr_pending; i++)
    f (heap[i]);
  for (unsigned i = 1; i <= nr_never; i++)
    f (heap[PENDING_MAX - i]);
  if (is_locked)
    pthread_mutex_unlock (&lock);
}
