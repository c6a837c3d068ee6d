/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hands messages to the callbacks given to InitEx.  They may be called from
 * any thread that calls the library.
 */
#include "log.h"

#include <stdatomic.h>

static VixDiskLibGenericLogFunc *_Atomic debug_callback;
static VixDiskLibGenericLogFunc *_Atomic warn_callback;

void
log_set (VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn)
{
  atomic_store (&debug_callback, log);
  atomic_store (&warn_callback, warn);
}

void
log_debug (const char *fmt, ...)
{
  VixDiskLibGenericLogFunc *callback = atomic_load (&debug_callback);
  va_list args;

  if (!callback)
    return;
  va_start (args, fmt);
  callback (fmt, args);
  va_end (args);
}

void
log_warn (const char *fmt, ...)
{
  VixDiskLibGenericLogFunc *callback = atomic_load (&warn_callback);
  va_list args;

  if (!callback)
    return;
  va_start (args, fmt);
  callback (fmt, args);
  va_end (args);
}

VixError
log_fail (VixError err, const char *fmt, ...)
{
  VixDiskLibGenericLogFunc *callback = atomic_load (&warn_callback);
  va_list args;

  if (callback) {
    va_start (args, fmt);
    callback (fmt, args);
    va_end (args);
  }
  return err;
}
