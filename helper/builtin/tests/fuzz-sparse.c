/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libFuzzer target: damaged hosted sparse images, opened, read and written. The
 * first byte of the input chooses the valid image.
 */
#include "check.h"
#include "fuzz-image.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *path;
  static struct image image;

  if (!path)
    path = image_path ("image.vmdk");
  if (size < 3)
    return 0;
  for (int writable = 0; writable < 2; writable++) {
    image_make (&image, (enum image_kind) (data[0] % 2));
    fuzz_damage (&image, data, size);
    image_store (&image, path);
    fuzz_use (path, writable);
  }
  return 0;
}
