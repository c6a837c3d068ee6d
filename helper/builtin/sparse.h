/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inside of sparse extents, whatever their format: a directory of grain tables
 * whose entries say where each grain is.  hosted.c, cowd.c and sesparse.c make
 * a struct sparse out of a file; the rest is common.
 *
 * Tables are changed in memory and written by commit, after the data they
 * point to is durable: a power cut leaves either what was or what is.  What a
 * killed process had not committed yet is in the kill log.
 */
#ifndef BUILTIN_SPARSE_H
#define BUILTIN_SPARSE_H

#include <pthread.h>

#include "extent.h"
#include "sparse-header.h"

/* Memory for grain tables, over all disks: with grains of 64 KiB that is the
 * tables of 1 TiB.  Each extent may have MIN_CACHED_TABLES whatever others
 * have, and those that wait for a commit.
 */
#define MAX_CACHED_BYTES  (64 * 1024 * 1024)
#define MIN_CACHED_TABLES 8

/* An entry with this value is zeroes, if the header says so. */
#define GTE_ZEROED 1

struct sparse;

/* Where a grain is. */
struct place {
  enum span_kind kind;
  uint64_t sector;
};

struct sparse_format {
  unsigned entry_bytes;
  uint32_t entries_per_table;
  /* What a table's entry says; DISK_INVALIDDISK if it can't be. */
  VixError (*place) (const struct sparse *s, uint64_t grain, uint64_t entry,
                     struct place *place);
  /* The sector of a table that the directory has, which is not 0. */
  uint64_t (*table_sector) (const struct sparse *s, uint32_t entry);
  /* Says in the header that there is a writer, or that it has finished. */
  VixError (*mark) (struct sparse *s, bool unclean);
};

struct table {
  uint32_t gd_index;
  bool recent;  /* used since the clock's hand came by */
  bool dirty;   /* differs from the file */
  bool new_gde; /* the directories don't have it yet */
  uint8_t raw[];
};

/* Grains that one thread is about to allocate. */
struct pending {
  struct pending *next;
  uint64_t first;
  uint64_t count;
};

struct stream;

struct sparse {
  struct extent extent;
  const struct sparse_format *format;
  uint64_t capacity;
  uint64_t grain_sectors;
  uint64_t min_grain_sector; /* below is metadata */
  uint64_t gd_sector;
  uint64_t rgd_sector; /* 0 if there is no redundant directory to keep up */
  uint32_t gd_entries;
  bool zeroed_grains;     /* entries may be GTE_ZEROED */
  bool unclean;           /* its last writer did not close it */
  uint64_t tables_sector; /* seSparse: the areas of tables and of grains */
  uint64_t grains_sector;
  uint64_t nr_tables;          /* seSparse: in the area */
  struct sparse_header header; /* hosted */

  pthread_mutex_t lock; /* for all below */
  pthread_cond_t changed;
  uint32_t *gd;          /* 0: no such table */
  uint32_t *rgd;         /* NULL without rgd_sector */
  struct table **tables; /* cached, by index; NULL if not */
  struct table **ring;   /* the cached ones, in the clock's order */
  size_t nr_ring;
  size_t max_ring;
  size_t hand;
  size_t nr_dirty;
  uint64_t end; /* sector: from there on nothing was ever written */
  bool marked;  /* the header says that there is a writer */
  struct pending *pending;
  struct stream *stream; /* NULL if not compressed */
};

static inline size_t
table_bytes (const struct sparse *s)
{
  return (size_t)s->format->entry_bytes * s->format->entries_per_table;
}

static inline uint64_t
table_sectors (const struct sparse *s)
{
  return table_bytes (s) / VIXDISKLIB_SECTOR_SIZE;
}

static inline uint64_t
count_grains (const struct sparse *s)
{
  return (s->capacity + s->grain_sectors - 1) / s->grain_sectors;
}

/* Sectors of the grain that belong to the disk: the last may be cut. */
static inline uint64_t
grain_length (const struct sparse *s, uint64_t grain)
{
  uint64_t left = s->capacity - grain * s->grain_sectors;

  return left < s->grain_sectors ? left : s->grain_sectors;
}

/* sparse.c */

/* Makes the extent around a file, without directories; sparse_free undoes it.
 * NULL without memory.
 */
struct sparse *sparse_new (const struct sparse_format *format,
                           struct file *file, uint64_t nr_sectors);

/* The second half of opening: sizes and areas are set and were checked. */
VixError sparse_open (struct sparse *s, struct extent **out);
void sparse_free (struct sparse *s);

/* The entry checked against what every format with sectors in its entries
 * demands.
 */
VixError sparse_place (const struct sparse *s, uint64_t grain, uint64_t sector,
                       struct place *place);

/* As the span operation, with the lock held. */
VixError sparse_span_locked (struct sparse *s, uint64_t sector,
                             uint64_t max_sectors, struct span *span);

/* FILE_WOULD_BLOCK if the caller may not wait and would have to. */
VixError sparse_lock (struct sparse *s);

/* sparse-check.c: looks through the directories and (up to a limit) tables
 * for entries that point where they can't.
 */
VixError sparse_check (struct sparse *s);

/* Makes the redundant tables say what the primary ones do, after a writer
 * that did not finish.
 */
VixError sparse_repair (struct sparse *s);

/* sparse-write.c */
VixError sparse_write (struct extent *extent, uint64_t sector,
                       uint64_t nr_sectors, const uint8_t *buf);

/* Keeps others from the grains in mine, which sets first and count. */
void sparse_claim (struct sparse *s, struct pending *mine);
void sparse_release (struct sparse *s, const struct pending *mine);

/* Takes nr_sectors behind the end, aligned, and makes the file as long: they
 * read as zeroes.  FILE_TOO_BIG.  With the lock held.
 */
VixError sparse_reserve (struct sparse *s, uint64_t nr_sectors,
                         uint64_t *sector);

/* tables.c; all with the lock held, except the first and the last two. */

/* Loads the directories; they were checked to lie inside the file. */
VixError tables_load_directories (struct sparse *s);

/* The grain table of gd_index, NULL if there is none.  Valid until the lock is
 * given back.
 */
VixError tables_get (struct sparse *s, uint32_t gd_index, struct table **out);

/* The same, and makes it if there is none. */
VixError tables_ensure (struct sparse *s, uint32_t gd_index,
                        struct table **out);

uint64_t tables_entry (const struct sparse *s, const struct table *table,
                       uint32_t index);

/* Sets count entries from the grain first on, all of one table that exists:
 * to sectors that begin with sector and follow each other, or to GTE_ZEROED.
 */
void tables_set (struct sparse *s, struct table *table, uint64_t first,
                 uint32_t count, uint32_t value);

/* The table differs from the file. */
void tables_set_dirty (struct sparse *s, struct table *table);

/* tables-commit.c: extent operations. */
bool tables_is_dirty (struct extent *extent);
VixError tables_commit (struct extent *extent);
void tables_committed (struct extent *extent);
VixError tables_finish (struct extent *extent);
VixError tables_recall (struct extent *extent,
                        const struct kill_record *record);

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

/* stream-write.c */

/* Finds out where grains end, so that more can follow. */
VixError stream_prepare_write (struct sparse *s);

/* Makes the directory of an unfinished or truncated stream from the markers
 * of its grains, as far as they are whole.
 */
VixError stream_rebuild (struct sparse *s);

VixError stream_write (struct sparse *s, uint64_t sector, uint64_t nr_sectors,
                       const uint8_t *buf);
VixError stream_commit (struct sparse *s);

#endif /* BUILTIN_SPARSE_H */
