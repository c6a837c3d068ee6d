/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The three callbacks that InitEx was given; it sets them before any other
 * thread is there.
 */
#include "log.h"

static VixDiskLibGenericLogFunc *debug_callback;
static VixDiskLibGenericLogFunc *warn_callback;
static VixDiskLibGenericLogFunc *panic_callback;

void
log_set (VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn,
         VixDiskLibGenericLogFunc *panic)
{
  debug_callback = log;
  warn_callback = warn;
  panic_callback = panic;
}

#define CALL(callback)                                                         \
  do {                                                                         \
    va_list args;                                                              \
                                                                               \
    va_start (args, fmt);                                                      \
    (callback) (fmt, args);                                                    \
    va_end (args);                                                             \
  } while (0)

void
log_debug (const char *fmt, ...)
{
  CALL (debug_callback);
}

void
log_warn (const char *fmt, ...)
{
  CALL (warn_callback);
}

void
log_panic (const char *fmt, ...)
{
  CALL (panic_callback);
}
