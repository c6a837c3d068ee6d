/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The library's three callbacks, and the helper's own log lines: one event
 * per line, cut at LOG_TEXT_BYTES_MAX.  Nothing here waits for anybody, but
 * for the panic, after which nothing else matters.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "output.h"
#include "protocol.h"

static void format (char text[LOG_TEXT_BYTES_MAX + 1], const char *fmt,
                    va_list args) __attribute__ ((format (printf, 2, 0)));

/* Formats into a text of at most LOG_TEXT_BYTES_MAX bytes, without the
 * newline at its end and without half a UTF-8 character.
 */
static void
format (char text[LOG_TEXT_BYTES_MAX + 1], const char *fmt, va_list args)
{
  int n = vsnprintf (text, LOG_TEXT_BYTES_MAX + 1, fmt, args);
  size_t length = strlen (text);

  if (n > LOG_TEXT_BYTES_MAX) {
    size_t cut = length;

    while (cut > 0 && ((unsigned char)text[cut - 1] & 0xc0) == 0x80)
      cut--;
    if (cut > 0 && (unsigned char)text[cut - 1] >= 0xc0)
      length = cut - 1;
  }
  while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
    length--;
  text[length] = '\0';
}

/* The library's formats come without a promise that a compiler could check. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

/* Sends one line. */
static void __attribute__ ((format (printf, 2, 0)))
say (const char *level, const char *fmt, va_list args)
{
  char text[LOG_TEXT_BYTES_MAX + 1];

  format (text, fmt, args);
  output_log (level, text);
}

void
log_debug (const char *fmt, va_list args)
{
  say ("debug", fmt, args);
}

void
log_warning (const char *fmt, va_list args)
{
  say ("warning", fmt, args);
}

void
log_panic (const char *fmt, va_list args)
{
  char text[LOG_TEXT_BYTES_MAX + 1];

  format (text, fmt, args);
  output_log ("error", text);
  output_panic (text);
  _exit (EXIT_PANIC);
}

#pragma GCC diagnostic pop

void
log_helper (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  say ("helper", fmt, args);
  va_end (args);
}

void
log_trace (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  say ("trace", fmt, args);
  va_end (args);
}
