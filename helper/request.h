/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The fixed table of I/O requests.  A record belongs to, in turn: the reader
 * (control.c), the main thread (io.c), the library, the output (output.c),
 * and is then free.  Nothing is allocated per request.
 */
#ifndef VDDK_NBD_REQUEST_H
#define VDDK_NBD_REQUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

struct request {
  uint64_t id;
  uint64_t start_sector;
  uint64_t arena_offset;
  uint64_t error;          /* VixError of the answer */
  uint64_t generation;     /* how often this record went to the library */
  _Atomic uint64_t ticket; /* what the library's callback must show, or 0 */
  /* Of the present ticket: its id, and when the library was given it. */
  _Atomic uint64_t ticket_id;
  _Atomic uint64_t ticket_ms;
  struct request *next;
  uint64_t nr_sectors;
  uint64_t submitted_us; /* if calls are counted */
  uint32_t op;           /* OP_READ, OP_WRITE, OP_FLUSH, or OP_CALL_MARK */
};

/* Not an operation: the place of the pending CALL in the queue. */
enum { OP_CALL_MARK = 0 };

/* A list in order of arrival. */
struct request_list {
  struct request *first;
  struct request **last;
  uint32_t count;
};

#define REQUEST_LIST_INIT(list)                                                \
  {                                                                            \
    NULL, &(list).first, 0                                                     \
  }

void request_list_append (struct request_list *list, struct request *r);
/* Takes the first record off a list that is not empty. */
struct request *request_list_shift (struct request_list *list);
/* Moves all of `from` to the end of `to`. */
void request_list_join (struct request_list *to, struct request_list *from);

/* Whether `count` records (at most FRAME_REQUESTS_MAX) can be had from
 * request_alloc().  Called by the reader, under the control lock.
 */
bool request_reserve (uint32_t count);
/* One free record, after request_reserve() has said that there is one. */
struct request *request_alloc (void);
/* Gives all records of a list back; from any thread. */
void request_free (struct request_list *list);

/* Begins a submission: a number that stands for this record exactly once. */
uint64_t request_ticket (struct request *r);
/* For how long, in milliseconds (at least 1), the library has had the oldest
 * request that it has not completed, and the request's id; 0 if it has none.
 * Called by the reader, under the control lock.
 */
uint64_t request_oldest_ms (uint64_t *id);
/* The record that `ticket` stands for, or NULL if it was redeemed before or
 * never handed out.
 */
struct request *request_redeem (uint64_t ticket);

#endif /* VDDK_NBD_REQUEST_H */
