/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libFuzzer target: any bytes as a descriptor.
 */
#include "../descriptor.h"
#include "check.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *text = (const char *)data;
  struct descriptor *d;
  uint64_t sum = 0;

  descriptor_detect (text, size);
  if (descriptor_parse ("fuzz", text, size, &d) != VIX_OK)
    return 0;
  for (size_t i = 0; i < d->nr_extents; i++) {
    CHECK (d->extents[i].nr_sectors > 0);
    CHECK (d->extents[i].type == EXTENT_OTHER
           || d->extents[i].type == EXTENT_ZERO || d->extents[i].name);
    sum += d->extents[i].nr_sectors;
  }
  CHECK_EQUAL (sum, d->nr_sectors);
  CHECK (sum > 0 && sum <= MAX_DISK_SECTORS);
  descriptor_adapter (d);
  descriptor_free (d);
  return 0;
}
