/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Deflate with the zlib header, on whole buffers: what is in a compressed
 * grain.  The only place that knows the library that does it.
 */
#ifndef BUILTIN_PACKING_H
#define BUILTIN_PACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What packing and unpacking take; one thread at a time may use it. */
struct packer;

/* NULL without memory. */
struct packer *packer_new (void);
void packer_free (struct packer *packer);

/* Inflates length bytes into out, which has room for max; *got says how many
 * came.  False if they are damaged, do not end, or make more than max.
 */
bool packer_inflate (struct packer *packer, const uint8_t *packed,
                     size_t length, uint8_t *out, size_t max, size_t *got);

/* The most that packing length bytes can make. */
size_t packer_bound (size_t length);

/* Packs; out has room for packer_bound (length).  0 without memory. */
size_t packer_deflate (struct packer *packer, const uint8_t *bytes,
                       size_t length, uint8_t *out);

#endif /* BUILTIN_PACKING_H */
