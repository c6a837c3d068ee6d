/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ways the helper ends itself.  No atexit handlers, no core file: a
 * library's destructors must not run in a process that has given up.
 */
#ifndef VDDK_NBD_DIE_H
#define VDDK_NBD_DIE_H

/* One line on stderr, then _exit (status). */
_Noreturn void die (int status, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));

/* The host broke docs/helper-protocol.md: one line, EXIT_VIOLATION. */
_Noreturn void die_violation (const char *what);

#endif /* VDDK_NBD_DIE_H */
