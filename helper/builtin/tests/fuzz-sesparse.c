/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libFuzzer target: damaged seSparse extents, opened, read.
 */
#include "fuzz-image.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fuzz_esx (ESX_SESPARSE, false, data, size);
  return 0;
}
