/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libFuzzer target: damaged COWD extents, opened, read and written.
 */
#include "fuzz-image.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fuzz_esx (ESX_COWD, true, data, size);
  return 0;
}
