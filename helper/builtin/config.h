/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What can be set in the configuration file given to InitEx: lines of
 * `name = "value"`, as for VMware's library, whose names are left alone.
 */
#ifndef BUILTIN_CONFIG_H
#define BUILTIN_CONFIG_H

#include <stdbool.h>

#include "../vixdisklib.h"

struct config {
  /* builtin.allowOtherDirectories: extents and parents may lie anywhere. */
  bool allow_other_directories;
  /* builtin.readTruncated: a stream without its end is read as far as it
   * goes.
   */
  bool read_truncated;
  /* Not in the file: damage is no reason not to open, because somebody is
   * about to look at all of it.
   */
  bool look_at_all;
};

/* Set by config_load, before any disk is opened. */
extern struct config config;

/* Sets what the file says, or the defaults if it is NULL.  An error has been
 * warned about.
 */
VixError config_load (const char *path);

#endif /* BUILTIN_CONFIG_H */
