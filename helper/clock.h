/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Monotonic time.  The coarse clock costs a few nanoseconds and is late by a
 * kernel tick (at most 10 ms): good for timeouts, not for spinning.
 */
#ifndef VDDK_NBD_CLOCK_H
#define VDDK_NBD_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t
coarse_ms (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC_COARSE, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline uint64_t
precise_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The moment `ms` from now, for waits on CLOCK_MONOTONIC. */
static inline struct timespec
after_ms (long ms)
{
  struct timespec then;

  clock_gettime (CLOCK_MONOTONIC, &then);
  then.tv_sec += ms / 1000;
  then.tv_nsec += ms % 1000 * 1000000;
  if (then.tv_nsec >= 1000000000) {
    then.tv_nsec -= 1000000000;
    then.tv_sec++;
  }
  return then;
}

#endif /* VDDK_NBD_CLOCK_H */
