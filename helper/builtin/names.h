/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From the names in a descriptor to paths.  A descriptor may come from
 * anybody: unless the user allows more, what it names lies beside it.
 */
#ifndef BUILTIN_NAMES_H
#define BUILTIN_NAMES_H

#include "../vixdisklib.h"

/* The path (to be freed) of an extent that the descriptor at path names.
 * FILE_NAME_INVALID.
 */
VixError names_extent (const char *path, const char *name, const char *encoding,
                       char **out);

/* The same for a parent.  A path that leads elsewhere is taken for the file of
 * the same name beside the descriptor, if there is one: it says where the
 * parent was when the link was made.  DISK_OPENPARENT names what was looked
 * for.
 */
VixError names_parent (const char *path, const char *hint, const char *encoding,
                       char **out);

#endif /* BUILTIN_NAMES_H */
