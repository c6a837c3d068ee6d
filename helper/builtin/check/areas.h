/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The areas of a file that something uses: which overlap, and which are used
 * by nothing.  16 bytes of memory for each, so 256 MiB for a full TiB of 64
 * KiB grains.
 */
#ifndef BUILTIN_CHECK_AREAS_H
#define BUILTIN_CHECK_AREAS_H

#include <stdbool.h>

#include "../../vixdisklib.h"

struct area {
  uint64_t sector;
  uint32_t nr_sectors;
  uint32_t is_grain;
};

struct areas {
  struct area *all;
  size_t count;
  size_t room;
};

VixError areas_add (struct areas *areas, uint64_t sector, uint64_t nr_sectors,
                    bool is_grain);

/* Reports overlaps as corruption of the file at path.  Returns how many
 * sectors from first to end are in gaps of at least min_gap.
 */
uint64_t areas_judge (struct areas *areas, const char *path, uint64_t first,
                      uint64_t end, uint64_t min_gap);

void areas_free (struct areas *areas);

#endif /* BUILTIN_CHECK_AREAS_H */
