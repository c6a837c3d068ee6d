/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The fixed table of I/O requests: free list and tickets.  The reader takes
 * from a list of its own and refills it from what others gave back, so that
 * the lock is taken once for many records.  Last freed is first used: a
 * quiet helper touches few pages of the table.
 */
#include <pthread.h>
#include <stddef.h>

#include "clock.h"
#include "request.h"

/* A ticket is generation << INDEX_BITS | index. */
enum { INDEX_BITS = 16 };
_Static_assert(REQUESTS_MAX <= 1 << INDEX_BITS, "an index fits its bits");
_Static_assert(REQUESTS_MAX >= 2 * FRAME_REQUESTS_MAX, "a frame always fits");

static struct request table[REQUESTS_MAX];

/* The reader's own: records that were never used, and a stack of used ones. */
static uint32_t fresh;
static struct request *mine;
static uint32_t mine_count;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct request_list returned = REQUEST_LIST_INIT (returned);

void
request_list_append (struct request_list *list, struct request *r)
{
  r->next = NULL;
  *list->last = r;
  list->last = &r->next;
  list->count++;
}

struct request *
request_list_shift (struct request_list *list)
{
  struct request *r = list->first;

  list->first = r->next;
  if (--list->count == 0)
    list->last = &list->first;
  return r;
}

void
request_list_join (struct request_list *to, struct request_list *from)
{
  if (from->count == 0)
    return;
  *to->last = from->first;
  to->last = from->last;
  to->count += from->count;
  from->first = NULL;
  from->last = &from->first;
  from->count = 0;
}

/* Puts what others gave back on top of the reader's stack. */
static void
refill (void)
{
  pthread_mutex_lock (&lock);
  if (returned.count > 0) {
    struct request *first = returned.first;

    *returned.last = mine;
    mine = first;
    mine_count += returned.count;
    returned.first = NULL;
    returned.last = &returned.first;
    returned.count = 0;
  }
  pthread_mutex_unlock (&lock);
}

bool
request_reserve (uint32_t count)
{
  if (mine_count < count)
    refill ();
  return mine_count + (REQUESTS_MAX - fresh) >= count;
}

struct request *
request_alloc (void)
{
  struct request *r = mine;

  if (r == NULL)
    return &table[fresh++];
  mine = r->next;
  mine_count--;
  return r;
}

void
request_free (struct request_list *list)
{
  pthread_mutex_lock (&lock);
  request_list_join (&returned, list);
  pthread_mutex_unlock (&lock);
}

uint64_t
request_ticket (struct request *r)
{
  uint64_t ticket;

  r->generation++;
  ticket = r->generation << INDEX_BITS | (uint64_t)(r - table);
  atomic_store_explicit (&r->ticket_id, r->id, memory_order_relaxed);
  atomic_store_explicit (&r->ticket_ms, coarse_ms (), memory_order_relaxed);
  atomic_store_explicit (&r->ticket, ticket, memory_order_release);
  return ticket;
}

uint64_t
request_oldest_ms (uint64_t *id)
{
  uint64_t now = coarse_ms (), oldest_ms = UINT64_MAX;

  *id = 0;
  for (uint32_t i = 0; i < fresh; i++) {
    struct request *r = &table[i];
    uint64_t ms;

    if (atomic_load_explicit (&r->ticket, memory_order_acquire) == 0)
      continue;
    ms = atomic_load_explicit (&r->ticket_ms, memory_order_relaxed);
    if (ms >= oldest_ms)
      continue;
    /* If it is completed and used again just now, the next look will tell. */
    oldest_ms = ms;
    *id = atomic_load_explicit (&r->ticket_id, memory_order_relaxed);
  }
  if (oldest_ms == UINT64_MAX)
    return 0;
  return now > oldest_ms ? now - oldest_ms : 1;
}

struct request *
request_redeem (uint64_t ticket)
{
  uint64_t index = ticket & ((1 << INDEX_BITS) - 1);

  if (ticket == 0 || index >= REQUESTS_MAX)
    return NULL;
  if (!atomic_compare_exchange_strong (&table[index].ticket, &ticket, 0))
    return NULL;
  return &table[index];
}
