/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The areas of a file that something uses.
 */
#include "areas.h"

#include <inttypes.h>
#include <stdlib.h>

#include "report.h"

VixError
areas_add (struct areas *areas, uint64_t sector, uint64_t nr_sectors,
           bool is_grain)
{
  if (areas->count == areas->room) {
    size_t room = areas->room ? areas->room * 2 : 1024;
    struct area *all = realloc (areas->all, room * sizeof *all);

    if (!all)
      return VIX_E_OUT_OF_MEMORY;
    areas->all = all;
    areas->room = room;
  }
  areas->all[areas->count++]
      = (struct area){ sector, (uint32_t)nr_sectors, is_grain };
  return VIX_OK;
}

static int
by_sector (const void *a, const void *b)
{
  uint64_t x = ((const struct area *)a)->sector;
  uint64_t y = ((const struct area *)b)->sector;

  return (x > y) - (x < y);
}

uint64_t
areas_judge (struct areas *areas, const char *path, uint64_t first,
             uint64_t end, uint64_t min_gap)
{
  uint64_t reached = first;
  uint64_t unused = 0;

  qsort (areas->all, areas->count, sizeof *areas->all, by_sector);
  for (size_t i = 0; i < areas->count; i++) {
    const struct area *area = &areas->all[i];
    uint64_t area_end = area->sector + area->nr_sectors;

    if (i > 0
        && area->sector
               < areas->all[i - 1].sector + areas->all[i - 1].nr_sectors)
      report_add (FINDING_CORRUPTION,
                  "%s: two %s lie on each other at sector %" PRIu64, path,
                  area->is_grain && areas->all[i - 1].is_grain
                      ? "grains"
                      : "parts of its metadata, or one and a grain,",
                  area->sector);
    if (area->sector > reached && area->sector - reached >= min_gap)
      unused += area->sector - reached;
    if (area_end > reached)
      reached = area_end;
  }
  if (end > reached && end - reached >= min_gap)
    unused += end - reached;
  return unused;
}

void
areas_free (struct areas *areas)
{
  free (areas->all);
}
