/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The watch thread: reads the control socket while the main thread is away
 * from it for long, and finishes writes that found the socket full.  It costs
 * the main thread two atomic operations per batch, and nothing while idle.
 */
#ifndef VDDK_NBD_WATCH_H
#define VDDK_NBD_WATCH_H

/* Starts the thread; dies if it can't be started. */
void watch_start (void);

/* The main thread leaves the control socket, and comes back to it. */
void watch_main_busy (void);
void watch_main_back (void);

/* There is something to write: look now. */
void watch_wake (void);

#endif /* VDDK_NBD_WATCH_H */
