/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The library's three callbacks, and the helper's own log lines.
 */
#ifndef VDDK_NBD_LOG_H
#define VDDK_NBD_LOG_H

#include "vixdisklib.h"

/* For InitEx; called by the library on any of its threads. */
VixDiskLibGenericLogFunc log_debug, log_warning;
/* Sends the panic event and does not return. */
VixDiskLibGenericLogFunc log_panic;

/* A log event of the helper itself, and one about a call that it makes. */
void log_helper (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));
void log_trace (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));

#endif /* VDDK_NBD_LOG_H */
