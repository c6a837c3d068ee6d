/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the helper does to itself before it trusts anybody.
 */
#ifndef VDDK_NBD_HARDEN_H
#define VDDK_NBD_HARDEN_H

/* Dies with the parent whose pid is given, leaves no core, keeps its file
 * descriptors to itself.  Exits with one line if something is missing.
 */
void harden_process (const char *parent_pid);

/* The calling thread's stack for signal handlers. */
void harden_signal_stack (void);

/* Fatal signals end the process at once with 128 + signal, without the
 * library's or anybody's handlers.  After InitEx, which may install its own.
 */
void harden_signals (void);

#endif /* VDDK_NBD_HARDEN_H */
