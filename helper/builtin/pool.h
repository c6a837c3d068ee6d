/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The threads that do what would keep a caller waiting.  They are started when
 * they are needed, and end with the library.
 */
#ifndef BUILTIN_POOL_H
#define BUILTIN_POOL_H

#include <stdbool.h>

/* Enough to keep a disk's queue filled and two processors inflating. */
#define MAX_POOL_THREADS 8

/* What a thread is to do; embedded in the caller's own record, which lives
 * until run was called.
 */
struct job {
  struct job *next;
  void (*run) (struct job *job);
};

/* Queues a job; jobs begin in order.  False if there is no thread and none can
 * be made: then it is not queued.
 */
bool pool_add (struct job *job);

/* Ends the threads when the queue is empty. */
void pool_stop (void);

#endif /* BUILTIN_POOL_H */
