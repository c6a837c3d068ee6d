/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A server as the library meets one: the file of FAULT_SERVER says what it
 * has and whom it lets in (docs/fault-engine.md).  As with VDDK, ConnectEx
 * looks at nothing; Open finds out.
 */
#ifndef FAULT_SERVER_H
#define FAULT_SERVER_H

#include "engine.h"

/* Opening `path` over connection `c`: VIX_OK and, for a disk of the server,
 * the file behind it as a new string in *image (NULL: a local disk).
 */
VixError server_open (const struct connection *c, const char *path,
                      char **image);

#endif /* FAULT_SERVER_H */
