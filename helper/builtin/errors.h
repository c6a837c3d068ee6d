/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From errno to VixError, and from VixError to text.
 */
#ifndef BUILTIN_ERRORS_H
#define BUILTIN_ERRORS_H

#include "../vixdisklib.h"

/* The VixError that says the same as errnum. */
VixError error_from_errno (int errnum);

/* Text for err, in static memory; never NULL. */
const char *error_text (VixError err);

#endif /* BUILTIN_ERRORS_H */
