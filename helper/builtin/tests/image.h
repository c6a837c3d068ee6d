/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Small sparse images made by the tests themselves, byte by byte from the
 * format's description, so that tests can damage any field of them.
 *
 * Each has 4 KiB grains and room for two grain tables, of which the second is
 * missing.  Grains 0, 1 and 5 are data (each byte is the grain's number + 1),
 * grain 3 is a zeroed entry (where the image has those), the rest is absent.
 */
#ifndef BUILTIN_TESTS_IMAGE_H
#define BUILTIN_TESTS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_GRAIN_SECTORS 8
#define IMAGE_TABLE_SECTORS (512 * IMAGE_GRAIN_SECTORS)
#define IMAGE_CAPACITY      (2 * IMAGE_TABLE_SECTORS - 5)

/* Sectors of its parts. */
#define IMAGE_DESCRIPTOR 1
#define IMAGE_RGD        3
#define IMAGE_RGT        4
#define IMAGE_GD         8
#define IMAGE_GT         9
#define IMAGE_DATA       16

enum image_kind {
  IMAGE_SPARSE,     /* redundant directory, zeroed grains */
  IMAGE_PLAIN,      /* neither */
  IMAGE_STREAM,     /* compressed, directory in front */
  IMAGE_STREAM_END, /* compressed, directory in the footer */
  IMAGE_NR_KINDS
};

#define IMAGE_MAX_BYTES (256 * 512)

/* Extents of ESXi: they need a descriptor beside them (image_describe). */
enum esx_kind { ESX_COWD, ESX_SESPARSE };

struct image {
  size_t size;
  uint8_t bytes[IMAGE_MAX_BYTES];
};

void image_make (struct image *image, enum image_kind kind);

/* A COWD file with grains of 4 KiB, or a seSparse file; the same data. */
void image_make_esx (struct image *image, enum esx_kind kind);

/* Writes a descriptor with one extent of IMAGE_CAPACITY to path, which is
 * described as a type of that name in a file of that name.
 */
void image_describe (const char *path, const char *create_type,
                     const char *extent_type, const char *name);

/* Little-endian stores. */
void image_put32 (struct image *image, size_t offset, uint32_t value);
void image_put64 (struct image *image, size_t offset, uint64_t value);

/* A temporary folder of the process, removed at its end with the files that
 * image_path named.
 */
const char *image_path (const char *name);
void image_store (const struct image *image, const char *path);

/* What byte of the fresh image's disk is at offset. */
uint8_t image_expected (uint64_t offset);

#endif /* BUILTIN_TESTS_IMAGE_H */
