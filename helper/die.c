/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ways the helper ends itself.  stderr is the host's log: one line each.
 */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "die.h"
#include "protocol.h"

enum { LINE_BYTES_MAX = 512 };

void
die (int status, const char *fmt, ...)
{
  char line[LINE_BYTES_MAX];
  va_list args;

  va_start (args, fmt);
  vsnprintf (line, sizeof line, fmt, args);
  va_end (args);
  dprintf (STDERR_FILENO, "vddk-nbd-helper: %s\n", line);
  _exit (status);
}

void
die_violation (const char *what)
{
  die (EXIT_VIOLATION, "protocol violation: %s", what);
}
