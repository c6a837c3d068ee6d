/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What extents of several kinds need.
 */
#include "extent.h"

#include <string.h>

bool
is_zero (const uint8_t *buf, uint64_t nr_sectors)
{
  size_t n = nr_sectors * VIXDISKLIB_SECTOR_SIZE;

  /* Equal to itself shifted by one byte: all bytes are as the first. */
  return buf[0] == 0 && memcmp (buf, buf + 1, n - 1) == 0;
}

VixError
extent_all_data (struct extent *extent __attribute__ ((unused)),
                 uint64_t sector __attribute__ ((unused)), uint64_t max_sectors,
                 struct span *span)
{
  *span = (struct span){ .kind = SPAN_DATA, .nr_sectors = max_sectors };
  return VIX_OK;
}

VixError
extent_all_zero (struct extent *extent __attribute__ ((unused)),
                 uint64_t sector __attribute__ ((unused)), uint64_t max_sectors,
                 struct span *span)
{
  *span = (struct span){ .kind = SPAN_ZERO, .nr_sectors = max_sectors };
  return VIX_OK;
}
