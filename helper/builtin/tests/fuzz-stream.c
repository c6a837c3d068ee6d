/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libFuzzer target: damaged streamOptimized images, opened, read and written.
 * The first byte of the input chooses the valid image.
 */
#include "fuzz-image.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  enum image_kind kind = size && data[0] % 2 ? IMAGE_STREAM_END : IMAGE_STREAM;

  fuzz_hosted (kind, data, size);
  return 0;
}
