/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One CALL while it runs.  Texts of errors name functions and parameters,
 * never values: a value may be a secret.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "die.h"
#include "library.h"
#include "reply.h"

void
reply_fields (struct call *call, uint32_t nr_fields)
{
  encode_result (&call->frame, call->message->id, VIX_OK);
  encode_map (&call->frame, nr_fields);
}

void
reply_vix_error (struct call *call, const char *function, VixError error)
{
  char *text = library_error_text (error);

  encode_result (&call->frame, call->message->id, error);
  encode_map (&call->frame, 2);
  encode_text_of (&call->frame, "call", function);
  encode_text_of (&call->frame, "text", text);
  free (text);
}

void
reply_helper_error (struct call *call, const char *helper_error,
                    const char *function, const char *fmt, ...)
{
  va_list args;
  char *text;
  int n;

  va_start (args, fmt);
  n = vasprintf (&text, fmt, args);
  va_end (args);
  if (n == -1)
    die (EXIT_FAILURE, "out of memory");
  encode_result (&call->frame, call->message->id, VIX_E_FAIL);
  encode_map (&call->frame, 3);
  encode_text_of (&call->frame, "call", function);
  encode_text_of (&call->frame, "text", text);
  encode_text_of (&call->frame, "helperError", helper_error);
  free (text);
}

bool
check_param (struct call *call, const char *key, enum param outcome,
             bool is_optional)
{
  if (outcome == PARAM_GIVEN || (is_optional && outcome == PARAM_ABSENT))
    return true;
  reply_helper_error (call, "parameter", "", "parameter %s is %s", key,
                      outcome == PARAM_ABSENT ? "missing" : "not valid");
  return false;
}

bool
need_uint (struct call *call, const char *key, uint64_t max, uint64_t *value)
{
  return check_param (call, key, param_uint (call->message, key, max, value),
                      false);
}

bool
need_bool (struct call *call, const char *key, bool *value)
{
  return check_param (call, key, param_bool (call->message, key, value), false);
}

bool
need_text (struct call *call, const char *key, char **text)
{
  return check_param (call, key, param_text (call->message, key, text), false);
}

bool
may_uint (struct call *call, const char *key, uint64_t max, uint64_t *value)
{
  return check_param (call, key, param_uint (call->message, key, max, value),
                      true);
}

bool
may_bool (struct call *call, const char *key, bool *value)
{
  return check_param (call, key, param_bool (call->message, key, value), true);
}

bool
may_text (struct call *call, const char *key, char **text)
{
  return check_param (call, key, param_text (call->message, key, text), true);
}

bool
may_bytes (struct call *call, const char *key, char **text)
{
  return check_param (call, key, param_bytes (call->message, key, text), true);
}
