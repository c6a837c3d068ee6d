/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The watch thread.  While the main thread works it looks every
 * WATCH_TICK_MS; after WATCH_IDLE_TICKS without work it sleeps until the main
 * thread finds `asleep` set.  Both sides store first and look then (all
 * sequentially consistent), so one of the two always sees the other.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "control.h"
#include "die.h"
#include "harden.h"
#include "library.h"
#include "output.h"
#include "protocol.h"
#include "watch.h"

/* Milliseconds when the main thread last left the socket, times two, plus one
 * if it has not come back.
 */
static _Atomic uint64_t busy;
static _Atomic bool asleep;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken; /* on CLOCK_MONOTONIC */

void
watch_main_busy (void)
{
  atomic_store (&busy, coarse_ms () * 2 + 1);
  if (atomic_load (&asleep))
    watch_wake ();
}

void
watch_main_back (void)
{
  atomic_store_explicit (&busy, atomic_load (&busy) & ~(uint64_t)1,
                         memory_order_release);
}

void
watch_wake (void)
{
  pthread_mutex_lock (&lock);
  atomic_store (&asleep, false);
  pthread_cond_signal (&woken);
  pthread_mutex_unlock (&lock);
}

/* One tick, or less when woken. */
static void
sleep_tick (void)
{
  struct timespec until = after_ms (WATCH_TICK_MS);

  pthread_mutex_lock (&lock);
  pthread_cond_timedwait (&woken, &lock, &until);
  pthread_mutex_unlock (&lock);
}

/* Until watch_wake(), unless something happened since `seen`. */
static void
sleep_long (uint64_t seen)
{
  pthread_mutex_lock (&lock);
  atomic_store (&asleep, true);
  if (atomic_load (&busy) != seen || output_stalled ())
    atomic_store (&asleep, false);
  while (atomic_load (&asleep))
    pthread_cond_wait (&woken, &lock);
  pthread_mutex_unlock (&lock);
}

/* Waits a tick for what the main thread can't see to, and does it. */
static void
stand_in (bool main_is_away)
{
  bool reads = main_is_away && control_readable ();
  struct pollfd control = { .fd = CONTROL_FD };

  if (main_is_away) {
    output_flush ();
    control_check_end ();
  }
  control.events
      = (short)((reads ? POLLIN : 0) | (output_stalled () ? POLLOUT : 0));
  if (control.events == 0) {
    sleep_tick ();
    return;
  }
  if (poll (&control, 1, WATCH_TICK_MS) <= 0)
    return;
  if (output_stalled () && (control.revents & (POLLOUT | POLLERR | POLLHUP)))
    output_resume ();
  if (reads && (control.revents & (POLLIN | POLLERR | POLLHUP))
      && (atomic_load (&busy) & 1) && !control_stand_in ())
    sleep_tick ();
}

static void *
watch_main (void *unused)
{
  uint64_t seen = 0;
  unsigned idle_ticks = 0;

  (void)unused;
  harden_signal_stack ();
  for (;;) {
    uint64_t now = atomic_load (&busy);
    bool is_away = (now & 1) && coarse_ms () - now / 2 > WATCH_TICK_MS;

    idle_ticks = now == seen ? idle_ticks + 1 : 0;
    seen = now;
    if (is_away || output_stalled ())
      stand_in (is_away);
    else if ((now & 1) || idle_ticks < WATCH_IDLE_TICKS)
      sleep_tick ();
    else
      sleep_long (seen);
  }
  return NULL;
}

void
watch_start (void)
{
  pthread_condattr_t attr;
  pthread_t thread;
  int error;

  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&woken, &attr);
  pthread_condattr_destroy (&attr);
  error = pthread_create (&thread, NULL, watch_main, NULL);
  if (error != 0)
    die (EXIT_FAILURE, "pthread_create: %s", strerror (error));
  pthread_detach (thread);
}
