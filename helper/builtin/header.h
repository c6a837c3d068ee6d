/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the headers of the sparse formats have in common: they are read whole,
 * know themselves by their first bytes, and are refused in the same words.
 */
#ifndef BUILTIN_HEADER_H
#define BUILTIN_HEADER_H

#include "file.h"

struct header_kind {
  const char *name; /* for messages */
  size_t bytes;
  /* Whether the first bytes of a file are such a header's. */
  bool (*detect) (const uint8_t *raw, size_t length);
};

/* Reads kind->bytes from the start of the file.  DISK_INVALIDDISK if it is
 * shorter, INCORRECT_FILE_TYPE if they are something else.
 */
VixError header_read (struct file *file, const struct header_kind *kind,
                      uint8_t *raw);

/* DISK_INVALIDDISK, and why. */
VixError header_damaged (const struct file *file,
                         const struct header_kind *kind, const char *what);

/* DISK_INVALIDDISK: the file is too short for what the header says. */
VixError header_truncated (const struct file *file, const char *what);

/* Whether a grain may have so many sectors: a power of two in these bounds. */
bool header_grain_is_sane (uint64_t sectors, uint64_t min_sectors);

/* Grains over 2 MiB are not made by anything, and would cost as much memory. */
#define MAX_GRAIN_SECTORS 4096

#endif /* BUILTIN_HEADER_H */
