/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The three callbacks that InitEx was given; from any thread.
 */
#ifndef FAULT_LOG_H
#define FAULT_LOG_H

#include "engine.h"

void log_set (VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn,
              VixDiskLibGenericLogFunc *panic);
void log_debug (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));
void log_warn (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));
void log_panic (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));

#endif /* FAULT_LOG_H */
