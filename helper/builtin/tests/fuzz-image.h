/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the fuzz targets share that damage a valid image.  An input begins with
 * a byte of the target's own; the next two cut the image off, the rest changes
 * it: two bytes offset, one byte length, that many bytes.
 */
#ifndef BUILTIN_TESTS_FUZZ_IMAGE_H
#define BUILTIN_TESTS_FUZZ_IMAGE_H

#include "image.h"

/* One input: an image of this kind, damaged, opened read-only and writable. */
void fuzz_hosted (enum image_kind kind, const uint8_t *data, size_t size);

/* The same for an extent of a disk of ESXi; one that is never written is only
 * opened read-only.
 */
void fuzz_esx (enum esx_kind kind, bool may_write, const uint8_t *data,
               size_t size);

/* Opens the disk at path, read-only or not, and uses it a little everywhere. */
void fuzz_use (const char *path, bool writable);

#endif /* BUILTIN_TESTS_FUZZ_IMAGE_H */
