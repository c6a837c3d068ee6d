/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Everything that leaves through the control socket.  Any thread may call;
 * whoever finds no writer at work becomes the writer and writes until nothing
 * is left.  Nobody ever blocks in a write: when the socket is full, the watch
 * thread goes on with it.
 */
#ifndef VDDK_NBD_OUTPUT_H
#define VDDK_NBD_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "encode.h"
#include "request.h"

/* Before anything else here. */
void output_init (void);

/* The answer to an I/O request, with its error; the record is given away. */
void output_done (struct request *r);

/* Between these two, answers that the calling thread (the main thread) gives
 * are collected and leave together; COLLECT_DONE_MAX says when earlier.
 */
void output_collect_begin (void);
void output_collect_end (void);
/* Sends what waits or was collected by another thread. */
void output_flush (void);

/* A frame that answers a CALL; its bytes are taken over. */
void output_result (struct encoder *frame);
/* Whether so many of those wait that no further CALL should be read. */
bool output_results_full (void);

/* A log event: sent if there is room, else counted. */
void output_log (const char *level, const char *text);
/* The panic event; returns when it was written, or after PANIC_WRITE_MS. */
void output_panic (const char *text);

/* How often something has left.  output_wait() returns when that number is
 * no longer `seen`: what filled up may have room again.
 */
uint64_t output_progress (void);
void output_wait (uint64_t seen);

/* Whether the socket was full, and what the watch does when it no longer is. */
bool output_stalled (void);
void output_resume (void);

#endif /* VDDK_NBD_OUTPUT_H */
