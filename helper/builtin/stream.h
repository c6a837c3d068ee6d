/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Compressed grains inside of a sparse extent, shared by stream.c (reading)
 * and the files that write them.  The lock in here is taken after the
 * extent's.
 */
#ifndef BUILTIN_STREAM_H
#define BUILTIN_STREAM_H

#include "packing.h"
#include "sparse.h"
#include "stream-format.h"

/* Inflated grains kept: that many bytes, but at least so many grains. */
#define MAX_INFLATED_BYTES  (32 * 1024 * 1024)
#define MIN_INFLATED_GRAINS 4

/* What one grain takes to be read or written; threads borrow them. */
struct workplace {
  struct workplace *next;
  struct packer *packer;
  uint8_t packed[];
};

struct cached_grain {
  enum { GRAIN_EMPTY, GRAIN_LOADING, GRAIN_READY } state;
  uint64_t file_sector; /* where its packed form is; a rewrite moves it */
  uint8_t *data;
};

struct stream {
  uint64_t max_packed_bytes; /* with the marker */
  bool has_tail; /* of a writer: tables, directory and footer behind end */
  pthread_mutex_t lock; /* for all below */
  pthread_cond_t loaded;
  struct workplace *idle;
  size_t nr_slots;
  struct cached_grain *slots; /* grain's slot: number % nr_slots */
};

/* A workplace, until it is given back.  NULL without memory. */
struct workplace *stream_borrow (struct stream *stream);
void stream_give_back (struct stream *stream, struct workplace *w);

/* The marker of the grain at offset; *end is the byte behind the grain. */
VixError stream_decode_front (const struct sparse *s, const uint8_t *raw,
                              uint64_t offset, uint64_t *lba, uint64_t *end);

/* Inflates the grain into out, which has room for a whole one. */
VixError stream_unpack (struct sparse *s, uint64_t grain, uint64_t file_sector,
                        uint8_t *out);

#endif /* BUILTIN_STREAM_H */
