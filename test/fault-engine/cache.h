/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The write cache of `volatile`: what was written and not flushed is in
 * memory only.  Reads see it; a crash loses it.
 */
#ifndef FAULT_CACHE_H
#define FAULT_CACHE_H

#include "engine.h"

/* Holds up to max_bytes; what is over is written to the file, as any cache
 * may do at any time.
 */
struct cache *cache_new (int fd, uint64_t max_bytes);
void cache_free (struct cache *cache);

/* Like pwrite and pread of whole sectors that go through the cache. */
bool cache_write (struct cache *cache, const uint8_t *from, uint64_t offset,
                  uint64_t bytes);
bool cache_read (struct cache *cache, uint8_t *to, uint64_t offset,
                 uint64_t bytes);

/* Writes everything to the file. */
bool cache_write_back (struct cache *cache);
/* Forgets what is in it; how many bytes that were. */
uint64_t cache_drop (struct cache *cache);
uint64_t cache_bytes (struct cache *cache);

/* pread and pwrite of everything; false on an error. */
bool read_all (int fd, uint8_t *to, uint64_t offset, uint64_t bytes);
bool write_all (int fd, const uint8_t *from, uint64_t offset, uint64_t bytes);

#endif /* FAULT_CACHE_H */
