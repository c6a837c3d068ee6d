/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the library was told, as lines of NAME=VALUE appended to the file of
 * FAULT_RECORD: for tests of what reaches it.  Secrets are only recorded by
 * their length and a hash.
 */
#ifndef FAULT_RECORD_H
#define FAULT_RECORD_H

#include "engine.h"

void record_init_ex (uint32_t major, uint32_t minor, const char *lib_dir,
                     const char *config_file);
void record_connect_ex (const VixDiskLibConnectParams *params, bool read_only,
                        const char *snapshot, const char *modes);
void record_open (const char *path, uint32_t flags);
void record_create (const char *path, const VixDiskLibCreateParams *params);

#endif /* FAULT_RECORD_H */
