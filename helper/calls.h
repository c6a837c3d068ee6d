/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The CALL operations, on the main thread.
 */
#ifndef VDDK_NBD_CALLS_H
#define VDDK_NBD_CALLS_H

#include "reply.h"

void calls_init (void);

/* Runs the CALL that was read, and answers it. */
void calls_run (void);

/* The end of the control stream: closes what is open, leaves the library. */
void calls_end (void);

/* What has been done so far; operations out of order fail with `state`. */
enum state {
  STATE_NEW,
  STATE_HELLO_FAILED,
  STATE_LOADED, /* after InitEx */
  STATE_CONNECTED,
  STATE_OPEN,
};

/* hello.c: HELLO.  True if the library is loaded and initialised. */
bool hello_run (struct call *call);

/* session.c: CONNECT, OPEN, CLOSE; each returns the state it leaves. */
enum state session_connect (struct call *call);
enum state session_open (struct call *call);
enum state session_close (struct call *call, enum state state);
/* The same without anybody to tell. */
void session_abandon (enum state state);

/* create.c: CREATE, over a connection. */
void create_run (struct call *call, VixDiskLibConnection connection);
VixDiskLibConnection session_connection (void);

/* query.c: INFO and ALLOCATED_BLOCKS of the open disk. */
void query_info (struct call *call, VixDiskLibHandle handle);
void query_allocated_blocks (struct call *call, VixDiskLibHandle handle);
VixDiskLibHandle session_handle (void);

#endif /* VDDK_NBD_CALLS_H */
