/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The encoding of a descriptor's text.  VMware's products on Windows write in
 * the system's own and say so in the text; here all is UTF-8.
 */
#ifndef BUILTIN_TEXT_H
#define BUILTIN_TEXT_H

#include "../vixdisklib.h"

/* The text as UTF-8, and the name of its encoding if that is another one
 * (else NULL); both to be freed.  DISK_NOTSUPPORTED if it has other than ASCII
 * in an encoding that this system does not know, DISK_INVALIDDISK if it is not
 * in the encoding that it claims.
 */
VixError text_decode (const char *path, const char *text, size_t length,
                      char **utf8, char **encoding);

/* A string of it back in the file's encoding; NULL if that can't be. */
char *text_encode (const char *utf8, const char *encoding);

#endif /* BUILTIN_TEXT_H */
