/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One CALL while it runs: its parameters, and the RESULT that is being made.
 */
#ifndef VDDK_NBD_REPLY_H
#define VDDK_NBD_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "decode.h"
#include "encode.h"
#include "vixdisklib.h"

struct call {
  const struct message *message;
  struct encoder frame;
};

/* Success: a map of `nr_fields` fields, which the caller encodes next. */
void reply_fields (struct call *call, uint32_t nr_fields);

/* Failure of a library function. */
void reply_vix_error (struct call *call, const char *function, VixError error);

/* Failure of the helper; `helper_error` is a word of the protocol. */
void reply_helper_error (struct call *call, const char *helper_error,
                         const char *function, const char *fmt, ...)
    __attribute__ ((format (printf, 4, 5)));

/* Parameters that must be given.  False after a `parameter` failure. */
bool need_uint (struct call *call, const char *key, uint64_t max,
                uint64_t *value);
bool need_bool (struct call *call, const char *key, bool *value);
bool need_text (struct call *call, const char *key, char **text);

/* Parameters that may be absent: *value is then left alone. */
bool may_uint (struct call *call, const char *key, uint64_t max,
               uint64_t *value);
bool may_bool (struct call *call, const char *key, bool *value);
bool may_text (struct call *call, const char *key, char **text);
bool may_bytes (struct call *call, const char *key, char **text);

/* False after a `parameter` failure if `outcome` is not PARAM_GIVEN. */
bool check_param (struct call *call, const char *key, enum param outcome,
                  bool is_optional);

#endif /* VDDK_NBD_REPLY_H */
