/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Going through everything in a sparse extent.
 */
#ifndef BUILTIN_CHECK_WALK_H
#define BUILTIN_CHECK_WALK_H

#include "../sparse.h"
#include "report.h"

/* Looks at directories, tables, both copies, and where grains lie; what is
 * wrong is reported.  Only errors of reading end it.
 */
VixError walk_sparse (struct sparse *s, struct extent_report *out);

#endif /* BUILTIN_CHECK_WALK_H */
