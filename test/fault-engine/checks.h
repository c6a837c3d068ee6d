/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The library's rules for its caller.  A breach ends the process: a line on
 * stderr, then SIGABRT.
 */
#ifndef FAULT_CHECKS_H
#define FAULT_CHECKS_H

#include "engine.h"

/* The caller broke `rule`. */
_Noreturn void breach (const char *rule);
/* The engine was asked for something that there is not, e.g. a bad rule. */
_Noreturn void misuse (const char *fmt, ...)
    __attribute__ ((format (printf, 1, 2)));

/* Notes the thread of InitEx; any thread may do anything if told so. */
void checks_init (bool any_thread);
bool checks_is_initialised (void);

/* All these are breaches: before InitEx; not on its thread; in a process that
 * was forked after it, so that the background thread is gone.
 */
void check_initialised (void);
void check_thread (const char *function);
void check_background_thread (void);
/* Called by the background thread when it begins. */
void checks_set_background_thread (void);
bool checks_has_background_thread (void);

/* Around every call on a handle: one at a time. */
struct disk *check_enter (VixDiskLibHandle handle);
void check_leave (struct disk *disk);

struct connection *check_connection (VixDiskLibConnection connection);

/* Which handles and connections there are. */
void checks_add_disk (struct disk *disk);
void checks_forget_disk (struct disk *disk);
void checks_add_connection (struct connection *connection);
void checks_forget_connection (struct connection *connection);

/* Sectors, range, buffer, callback, and sync or async but not both. */
void check_request (const struct request *r);
void check_chunks (uint64_t start_sector, uint64_t nr_sectors,
                   uint64_t chunk_size);

/* Of `check`: begins to watch the buffer of a request; looks at it when the
 * request is carried out.
 */
void check_buffer_begin (struct request *r);
void check_buffer_end (const struct request *r);

#endif /* FAULT_CHECKS_H */
