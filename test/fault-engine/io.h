/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads and writes: submission; io_finish is in complete.h.
 */
#ifndef FAULT_IO_H
#define FAULT_IO_H

#include "engine.h"

/* Checks and runs a request, whose disk is not yet set.  VIX_ASYNC if it was
 * accepted; the result of a synchronous one.
 */
VixError io_submit (VixDiskLibHandle handle, struct request *r);

#endif /* FAULT_IO_H */
