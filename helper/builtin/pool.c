/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The threads that do what would keep a caller waiting.
 */
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queued = PTHREAD_COND_INITIALIZER;
static struct job *first;
static struct job **last = &first;
static pthread_t threads[MAX_POOL_THREADS];
static unsigned nr_threads;
static unsigned nr_idle;
static unsigned nr_queued;
static bool stopping;

static void *
work (void *unused)
{
  pthread_mutex_lock (&lock);
  for (;;) {
    struct job *job = first;

    if (job) {
      first = job->next;
      if (!first)
        last = &first;
      nr_queued--;
      pthread_mutex_unlock (&lock);
      job->run (job);
      pthread_mutex_lock (&lock);
    }
    else if (stopping)
      break;
    else {
      nr_idle++;
      pthread_cond_wait (&queued, &lock);
      nr_idle--;
    }
  }
  pthread_mutex_unlock (&lock);
  return unused;
}

/* Signals are the program's business, in its own threads.  With the lock. */
static void
add_thread (void)
{
  sigset_t all, before;

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  if (pthread_create (&threads[nr_threads], NULL, work, NULL) == 0)
    nr_threads++;
  pthread_sigmask (SIG_SETMASK, &before, NULL);
}

bool
pool_add (struct job *job)
{
  bool added;

  pthread_mutex_lock (&lock);
  if (nr_idle <= nr_queued && nr_threads < MAX_POOL_THREADS)
    add_thread ();
  added = nr_threads > 0;
  if (added) {
    job->next = NULL;
    *last = job;
    last = &job->next;
    nr_queued++;
    pthread_cond_signal (&queued);
  }
  pthread_mutex_unlock (&lock);
  return added;
}

void
pool_stop (void)
{
  pthread_mutex_lock (&lock);
  stopping = true;
  pthread_cond_broadcast (&queued);
  pthread_mutex_unlock (&lock);
  for (unsigned i = 0; i < nr_threads; i++)
    pthread_join (threads[i], NULL);
  nr_threads = 0;
  stopping = false;
}
