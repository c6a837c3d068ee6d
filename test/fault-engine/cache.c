/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The write cache of `volatile`: a hash table of sectors, which are also in
 * a list, in the order in which they came.
 */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checks.h"

#define SECTOR VIXDISKLIB_SECTOR_SIZE

/* A power of two; 64 MiB of sectors are two to a bucket. */
#define NR_BUCKETS 65536

struct block {
  struct block *in_bucket; /* the next one */
  struct block *newer;
  uint64_t sector;
  uint8_t bytes[SECTOR];
};

struct cache {
  pthread_mutex_t lock;
  int fd;
  uint64_t max_blocks;
  uint64_t nr_blocks;
  struct block *oldest;
  struct block **end; /* where the next one is hooked in */
  struct block *buckets[NR_BUCKETS];
};

bool
read_all (int fd, uint8_t *to, uint64_t offset, uint64_t bytes)
{
  while (bytes > 0) {
    ssize_t n = pread (fd, to, bytes, (off_t)offset);

    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    to += n;
    offset += (uint64_t)n;
    bytes -= (uint64_t)n;
  }
  return true;
}

bool
write_all (int fd, const uint8_t *from, uint64_t offset, uint64_t bytes)
{
  while (bytes > 0) {
    ssize_t n = pwrite (fd, from, bytes, (off_t)offset);

    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    from += n;
    offset += (uint64_t)n;
    bytes -= (uint64_t)n;
  }
  return true;
}

struct cache *
cache_new (int fd, uint64_t max_bytes)
{
  struct cache *cache = calloc (1, sizeof *cache);

  if (cache == NULL)
    misuse ("out of memory");
  pthread_mutex_init (&cache->lock, NULL);
  cache->fd = fd;
  cache->max_blocks = max_bytes / SECTOR;
  cache->end = &cache->oldest;
  return cache;
}

static void
empty (struct cache *cache)
{
  struct block *next;

  for (struct block *b = cache->oldest; b != NULL; b = next) {
    next = b->newer;
    free (b);
  }
  cache->oldest = NULL;
  cache->end = &cache->oldest;
  cache->nr_blocks = 0;
  memset (cache->buckets, 0, sizeof cache->buckets);
}

void
cache_free (struct cache *cache)
{
  empty (cache);
  pthread_mutex_destroy (&cache->lock);
  free (cache);
}

static bool
write_back (struct cache *cache)
{
  for (struct block *b = cache->oldest; b != NULL; b = b->newer)
    if (!write_all (cache->fd, b->bytes, b->sector * SECTOR, SECTOR))
      return false;
  empty (cache);
  return true;
}

static struct block *
find (struct cache *cache, uint64_t sector)
{
  struct block *b = cache->buckets[mixed (sector) % NR_BUCKETS];

  while (b != NULL && b->sector != sector)
    b = b->in_bucket;
  return b;
}

static struct block *
insert (struct cache *cache, uint64_t sector)
{
  struct block **bucket = &cache->buckets[mixed (sector) % NR_BUCKETS];
  struct block *b = malloc (sizeof *b);

  if (b == NULL)
    misuse ("out of memory");
  b->sector = sector;
  b->in_bucket = *bucket;
  *bucket = b;
  b->newer = NULL;
  *cache->end = b;
  cache->end = &b->newer;
  cache->nr_blocks++;
  return b;
}

bool
cache_write (struct cache *cache, const uint8_t *from, uint64_t offset,
             uint64_t bytes)
{
  bool ok = true;

  pthread_mutex_lock (&cache->lock);
  for (uint64_t at = 0; at < bytes; at += SECTOR) {
    uint64_t sector = (offset + at) / SECTOR;
    struct block *b = find (cache, sector);

    memcpy ((b == NULL ? insert (cache, sector) : b)->bytes, from + at, SECTOR);
  }
  if (cache->nr_blocks > cache->max_blocks)
    ok = write_back (cache);
  pthread_mutex_unlock (&cache->lock);
  return ok;
}

bool
cache_read (struct cache *cache, uint8_t *to, uint64_t offset, uint64_t bytes)
{
  bool ok;

  pthread_mutex_lock (&cache->lock);
  ok = read_all (cache->fd, to, offset, bytes);
  for (uint64_t at = 0; at < bytes && cache->nr_blocks > 0; at += SECTOR) {
    const struct block *b = find (cache, (offset + at) / SECTOR);

    if (b != NULL)
      memcpy (to + at, b->bytes, SECTOR);
  }
  pthread_mutex_unlock (&cache->lock);
  return ok;
}

bool
cache_write_back (struct cache *cache)
{
  bool ok;

  pthread_mutex_lock (&cache->lock);
  ok = write_back (cache);
  pthread_mutex_unlock (&cache->lock);
  return ok;
}

uint64_t
cache_bytes (struct cache *cache)
{
  uint64_t bytes;

  pthread_mutex_lock (&cache->lock);
  bytes = cache->nr_blocks * SECTOR;
  pthread_mutex_unlock (&cache->lock);
  return bytes;
}

uint64_t
cache_drop (struct cache *cache)
{
  uint64_t bytes;

  pthread_mutex_lock (&cache->lock);
  bytes = cache->nr_blocks * SECTOR;
  empty (cache);
  pthread_mutex_unlock (&cache->lock);
  return bytes;
}
