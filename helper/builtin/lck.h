/* SPDX-License-Identifier: BSD-3-Clause
 *
 * VMware's own locks of hosted disks: a directory beside the disk, named
 * NAME.lck, with a file for everybody who has it open.
 */
#ifndef BUILTIN_LCK_H
#define BUILTIN_LCK_H

#include <stdbool.h>

#include "../vixdisklib.h"

/* FILE_ALREADY_LOCKED if a VMware product has the disk at path open in a way
 * that does not go together with ours.
 */
VixError lck_check (const char *path, bool writable);

#endif /* BUILTIN_LCK_H */
