/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How the N-API addons report a failed system call.  Each addon is a library
 * of one C file, so this is all in the header.
 */
#ifndef VDDK_NBD_THROW_ERRNO_H
#define VDDK_NBD_THROW_ERRNO_H

#include <node_api.h>
#include <stdio.h>
#include <string.h>

/* Throws "WHAT: errno text". */
static inline napi_value
throw_errno (napi_env env, const char *what, int err)
{
  char message[256];

  snprintf (message, sizeof message, "%s: %s", what, strerror (err));
  napi_throw_error (env, NULL, message);
  return NULL;
}

#endif
