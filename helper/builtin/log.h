/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Messages of the built-in engine, through the callbacks given to InitEx.
 * The caller of the library shows the last warning next to an error code, so
 * each one is a sentence: which file, what is wrong, what to do.
 */
#ifndef BUILTIN_LOG_H
#define BUILTIN_LOG_H

#include "../vixdisklib.h"

/* Sets the callbacks; NULL means silence. */
void log_set (VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn);

/* One line for debugging. */
void log_debug (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));

/* One line that the user sees. */
void log_warn (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));

/* Warns, and returns err: for "return log_fail (...)". */
VixError log_fail (VixError err, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));

#endif /* BUILTIN_LOG_H */
