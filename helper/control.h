/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The reading side of the control socket, leader and follower: the main
 * thread reads for itself when it has nothing to do, so that a request needs
 * no hand-over; the watch thread reads only while the main thread is away.
 */
#ifndef VDDK_NBD_CONTROL_H
#define VDDK_NBD_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "request.h"

void control_init (void);

/* Main thread: waits for requests and puts all that have come into `run`
 * (empty if control_nudge() woke it).  Spins before it sleeps if `may_spin`.
 * False at the end of the stream, when everything before it was handed out.
 */
bool control_next (struct request_list *run, bool may_spin);

/* Any thread: makes control_next() return. */
void control_nudge (void);

/* Main thread: the body of the CALL whose OP_CALL_MARK it has come to, and
 * that it is done with it: wiped, and the next CALL may come.
 */
void control_call_body (char **body, size_t *length);
void control_call_finished (void);

/* Watch thread, while the main thread is away: whether there is a point in
 * reading; read now, false if nothing could be taken; exit with
 * EXIT_EOF_IN_CALL if the stream has ended and the library is in a call.
 */
bool control_readable (void);
bool control_stand_in (void);
void control_check_end (void);

#endif /* VDDK_NBD_CONTROL_H */
