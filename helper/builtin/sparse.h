/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of a hosted sparse extent, shared by the files sparse*.c, tables.c
 * and stream.c.  The file on disk is always at least as true as memory:
 * tables are written through, and dropped from memory when a write failed.
 */
#ifndef BUILTIN_SPARSE_H
#define BUILTIN_SPARSE_H

#include "extent.h"
#include "sparse-header.h"

/* Grain tables kept in memory, 2 KiB each: 8 MiB, which is 128 GiB of disk
 * with the usual grain of 64 KiB.
 */
#define MAX_CACHED_TABLES 4096

/* A grain table entry with this value is zeroes, if the header says so. */
#define GTE_ZEROED 1

struct cached_table {
  uint32_t gd_index;
  uint32_t *gtes; /* host order; NULL if the slot is empty */
};

struct stream;

struct sparse {
  struct extent extent;
  struct sparse_header header;
  uint64_t min_grain_sector; /* below is metadata */
  uint32_t *gd;              /* host order, header.gd_entries of them */
  uint32_t *rgd;             /* the redundant one; NULL if none or read-only */
  uint32_t nr_cached;
  struct cached_table *cache; /* a table's slot is gd_index % nr_cached */
  struct stream *stream;      /* NULL if not compressed */
};

/* A range of sectors that are kept alike. */
struct span {
  bool allocated;
  uint64_t file_sector; /* of the first sector, if allocated */
  uint64_t nr_sectors;
};

/* The longest span at sector, up to max_sectors, that one lookup gives (it
 * ends with the grain table at the latest).  DISK_INVALIDDISK if the table
 * points where no grain can be.
 */
VixError sparse_span (struct sparse *s, uint64_t sector, uint64_t max_sectors,
                      struct span *span);

/* The grain's sector in the file, 0 if it is zeroes. */
VixError sparse_grain_sector (const struct sparse *s, uint64_t grain,
                              uint32_t gte, uint64_t *sector);

/* Where the next grain or table goes: behind the end of the file, grain
 * aligned.  What lies from there on is a hole, so it reads as zeroes.
 */
uint64_t sparse_end (const struct sparse *s);

/* Cuts the file back to size after a write behind its end failed, so that no
 * left-over gets into a later grain.
 */
void sparse_give_back (struct sparse *s, uint64_t size);

/* sparse-check.c: looks through the directories and (up to a limit) tables
 * for entries that point where they can't.
 */
VixError sparse_check (struct sparse *s);

/* sparse-write.c: the write operation. */
VixError sparse_write (struct extent *extent, uint64_t sector,
                       uint64_t nr_sectors, const uint8_t *buf);

/* tables.c */

/* Loads the directories; they were checked to lie inside the file. */
VixError tables_load_directories (struct sparse *s);

/* The grain table of gd_index, NULL if there is none.  Valid until the next
 * call of a function of tables.c.
 */
VixError tables_get (struct sparse *s, uint32_t gd_index,
                     const uint32_t **gtes);

/* Makes sure that both copies of the table exist. */
VixError tables_ensure (struct sparse *s, uint32_t gd_index);

/* Sets count entries from first on to grain sectors that begin with sector
 * and follow each other: redundant copy first, then the primary.  The table
 * must exist.
 */
VixError tables_set (struct sparse *s, uint32_t gd_index, uint32_t first,
                     uint32_t count, uint64_t sector);

void tables_free (struct sparse *s);

/* stream.c */

VixError stream_open (struct sparse *s);

/* Reads nr_sectors from the compressed grain (its number) at file_sector,
 * skipping skip_sectors of it.
 */
VixError stream_read (struct sparse *s, uint64_t grain, uint64_t file_sector,
                      uint64_t skip_sectors, uint64_t nr_sectors, uint8_t *buf);

/* Checks that the compressed grain at file_sector ends inside the file. */
VixError stream_check (struct sparse *s, uint64_t file_sector);

void stream_free (struct stream *stream);

/* Sectors of the grain that belong to the disk: the last may be cut. */
static inline uint64_t
sparse_grain_length (const struct sparse *s, uint64_t grain)
{
  uint64_t left = s->header.capacity - grain * s->header.grain_sectors;

  return left < s->header.grain_sectors ? left : s->header.grain_sectors;
}

#endif /* BUILTIN_SPARSE_H */
