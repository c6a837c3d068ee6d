/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libFuzzer target: damaged seSparse extents, opened, read.
 */
#include "check.h"
#include "fuzz-image.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *path;
  static const char *extent;
  static struct image image;

  if (!path) {
    path = image_path ("disk.vmdk");
    extent = image_path ("extent.vmdk");
  }
  if (size < 3)
    return 0;
  for (int writable = 0; writable < 1; writable++) {
    image_describe (path, "seSparse", "SESPARSE", "extent.vmdk");
    image_make_esx (&image, ESX_SESPARSE);
    fuzz_damage (&image, data, size);
    image_store (&image, extent);
    fuzz_use (path, writable);
  }
  return 0;
}
