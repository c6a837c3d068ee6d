/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libFuzzer target: chains of three descriptors, whose texts are the input, cut
 * at bytes of 0xff.  They may name each other and a sparse image.
 */
#include "check.h"
#include "fuzz-image.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Writes the input up to the next 0xff, and steps behind it. */
static void
store_text (const char *path, const uint8_t **data, size_t *size)
{
  const uint8_t *end = memchr (*data, 0xff, *size);
  size_t n = end ? (size_t)(end - *data) : *size;
  FILE *f = fopen (path, "we");

  CHECK (f && fwrite (*data, 1, n, f) == n && fclose (f) == 0);
  *data += n + (end != NULL);
  *size -= n + (end != NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *links[3];
  static const char *image_at;
  static struct image image;

  if (!image_at) {
    links[0] = image_path ("a.vmdk");
    links[1] = image_path ("b.vmdk");
    links[2] = image_path ("c.vmdk");
    image_at = image_path ("s.vmdk");
  }
  image_make (&image, IMAGE_SPARSE);
  image_store (&image, image_at);
  for (int i = 0; i < 3; i++)
    store_text (links[i], &data, &size);
  for (int writable = 0; writable < 2; writable++)
    fuzz_use (links[0], writable);
  return 0;
}
