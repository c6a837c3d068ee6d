/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The fence of a local disk that is open for writing: a lock of our own,
 * whatever the library has.  A write of a dead session that could still land
 * comes from a process that the library has forked, and that process holds
 * the lock too: until it is gone no other helper opens the disk.
 */
#ifndef VDDK_NBD_FENCE_H
#define VDDK_NBD_FENCE_H

#include <stdbool.h>

/* Takes the lock of the file `path`.  False if somebody else has it; true
 * also where the file or its file system can't be locked.
 */
bool fence_take (const char *path);
/* Gives it up, if it was taken. */
void fence_release (void);

#endif /* VDDK_NBD_FENCE_H */
