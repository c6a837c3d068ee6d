/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the fuzz targets share that damage a valid image.  An input begins with
 * a byte of the target's own; the next two cut the image off, the rest changes
 * it: two bytes offset, one byte length, that many bytes.
 */
#ifndef BUILTIN_TESTS_FUZZ_IMAGE_H
#define BUILTIN_TESTS_FUZZ_IMAGE_H

#include "image.h"

void fuzz_damage (struct image *image, const uint8_t *data, size_t size);

/* Opens the disk at path, read-only or not, and uses it a little everywhere. */
void fuzz_use (const char *path, bool writable);

#endif /* BUILTIN_TESTS_FUZZ_IMAGE_H */
