/* SPDX-License-Identifier: BSD-3-Clause
 *
 * READ, WRITE and FLUSH: submission on the main thread, completion on any.
 */
#ifndef VDDK_NBD_IO_H
#define VDDK_NBD_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "request.h"
#include "vixdisklib.h"

/* The mapped arenas, once. */
void io_set_arenas (uint8_t *read, uint64_t read_bytes, const uint8_t *write,
                    uint64_t write_bytes);

/* The disk that requests go to, from Open to Close. */
void io_attach (VixDiskLibHandle handle);
void io_detach (void);

/* Main thread: runs one request; its answer goes to the output, now or when
 * the library has completed it.
 */
void io_run (struct request *r);

/* Main thread: lets everything complete (a barrier), with VixDiskLib_Wait
 * where the library has it.  Returns what Wait said.
 */
VixError io_drain (void);

/* Whether the library has requests that are not completed. */
bool io_in_flight (void);

/* Main thread: log events for requests that failed meanwhile, with the text
 * of the error: GetErrorText must not be called by a completion.
 */
void io_report_failures (void);

#endif /* VDDK_NBD_IO_H */
