/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing to a streamOptimized file.  Each write packs the grains it touches
 * and appends them, with their markers; so a killed process leaves a file whose
 * directory can be made anew from the markers.  A commit appends tables and
 * directory, durably, and then the footer.  What is written next takes their
 * place, after they were cut off durably: a footer never stands behind
 * something it does not fit.
 */
#include "stream.h"

#include <inttypes.h>
#include <stdlib.h>

#include "bytes.h"
#include "log.h"

/* The sector behind the compressed grain at file_sector. */
static VixError
end_of_grain (struct sparse *s, uint64_t file_sector, uint64_t *lba,
              uint64_t *end_sector)
{
  uint64_t offset = file_sector * VIXDISKLIB_SECTOR_SIZE;
  uint8_t raw[GRAIN_MARKER_BYTES];
  uint64_t end;
  VixError err;

  err = file_read (s->extent.file, raw, sizeof raw, offset);
  if (err == VIX_OK)
    err = stream_decode_front (s, raw, offset, lba, &end);
  if (err == VIX_OK)
    *end_sector = (end + VIXDISKLIB_SECTOR_SIZE - 1) / VIXDISKLIB_SECTOR_SIZE;
  return err;
}

VixError
stream_prepare_write (struct sparse *s)
{
  uint64_t last = 0;
  uint64_t lba;
  VixError err = VIX_OK;

  for (uint32_t i = 0; err == VIX_OK && i < s->gd_entries; i++) {
    struct table *table;

    err = tables_get (s, i, &table);
    for (uint32_t e = 0; err == VIX_OK && table && e < GTES_PER_TABLE; e++)
      if (tables_entry (s, table, e) > last)
        last = tables_entry (s, table, e);
  }
  s->end = s->header.overhead;
  if (err == VIX_OK && last != 0)
    err = end_of_grain (s, last, &lba, &s->end);
  s->stream->has_tail = true;
  return err;
}

/* Whether the marker at *sector is of a grain that is whole, or of something
 * that is to be skipped; *sector moves behind it.
 */
static bool
scan_one (struct sparse *s, uint64_t *sector, uint8_t *inflated, bool *is_grain,
          uint64_t *grain)
{
  uint64_t file_sectors = s->extent.file->size / VIXDISKLIB_SECTOR_SIZE;
  uint8_t raw[VIXDISKLIB_SECTOR_SIZE];
  uint64_t first = *sector;
  uint64_t lba, end;

  if (first >= file_sectors
      || file_read (s->extent.file, raw, sizeof raw,
                    first * VIXDISKLIB_SECTOR_SIZE)
             != VIX_OK)
    return false;
  *is_grain = get32 (raw + 8) != 0;
  if (!*is_grain) {
    uint64_t length = get64 (raw);

    if (get32 (raw + 12) == MARKER_END || length > file_sectors - first)
      return false;
    *sector = first + 1 + length;
    return true;
  }
  if (end_of_grain (s, first, &lba, &end) != VIX_OK
      || lba % s->grain_sectors != 0 || lba >= s->capacity)
    return false;
  *grain = lba / s->grain_sectors;
  *sector = end;
  /* What a power cut has left of it may be anything. */
  return stream_unpack (s, *grain, first, inflated) == VIX_OK;
}

VixError
stream_rebuild (struct sparse *s)
{
  uint8_t *inflated = malloc (s->grain_sectors * VIXDISKLIB_SECTOR_SIZE);
  uint64_t sector = s->header.overhead;
  uint64_t at = sector;
  uint64_t grain = 0;
  uint64_t found = 0;
  bool is_grain;
  VixError err = inflated ? VIX_OK : VIX_E_OUT_OF_MEMORY;

  s->end = sector;
  while (err == VIX_OK && scan_one (s, &sector, inflated, &is_grain, &grain)) {
    struct table *table;

    if (is_grain) {
      err = tables_ensure (s, (uint32_t)(grain / GTES_PER_TABLE), &table);
      if (err == VIX_OK)
        tables_set (s, table, grain, 1, (uint32_t)at);
      s->end = sector;
      found++;
    }
    at = sector;
  }
  free (inflated);
  s->stream->has_tail = true;
  log_debug ("%s: the end of the stream is missing; %" PRIu64
             " grains were found by their markers",
             s->extent.file->path, found);
  return err;
}

/* The first grain behind a commit: what the commit wrote has to go, durably,
 * before anything is written there.  With the lock held.
 */
static VixError
cut_tail (struct sparse *s)
{
  VixError err = VIX_OK;

  if (!s->stream->has_tail)
    return VIX_OK;
  /* Tables that go with it live on in memory. */
  for (uint32_t i = 0; err == VIX_OK && i < s->gd_entries; i++) {
    struct table *table = NULL;

    if (s->gd[i] >= s->end)
      err = tables_get (s, i, &table);
    if (table)
      tables_set_dirty (s, table);
  }
  if (err == VIX_OK)
    err = file_resize (s->extent.file, s->end * VIXDISKLIB_SECTOR_SIZE);
  if (err == VIX_OK)
    err = file_flush (s->extent.file);
  s->stream->has_tail = err != VIX_OK;
  return err;
}

/* Packs a grain with its marker into *out, to be freed. */
static VixError
pack (struct sparse *s, uint64_t grain, const uint8_t *bytes, uint8_t **out,
      uint64_t *nr_sectors)
{
  uint64_t length = s->grain_sectors * VIXDISKLIB_SECTOR_SIZE;
  uint64_t room
      = GRAIN_MARKER_BYTES + packer_bound (length) + VIXDISKLIB_SECTOR_SIZE;
  struct workplace *w = stream_borrow (s->stream);
  uint8_t *p = w ? calloc (1, room) : NULL;
  size_t packed = 0;

  if (p)
    packed = packer_deflate (w->packer, bytes, length, p + GRAIN_MARKER_BYTES);
  if (w)
    stream_give_back (s->stream, w);
  if (packed == 0) {
    free (p);
    return VIX_E_OUT_OF_MEMORY;
  }
  put64 (p, grain * s->grain_sectors);
  put32 (p + 8, (uint32_t)packed);
  *nr_sectors = (GRAIN_MARKER_BYTES + packed + VIXDISKLIB_SECTOR_SIZE - 1)
                / VIXDISKLIB_SECTOR_SIZE;
  *out = p;
  return VIX_OK;
}

static VixError
append (struct sparse *s, uint64_t grain, const uint8_t *packed,
        uint64_t nr_sectors)
{
  struct table *table;
  VixError err;

  pthread_mutex_lock (&s->lock);
  err = cut_tail (s);
  if (err == VIX_OK && s->end + nr_sectors > UINT32_MAX)
    err = log_fail (VIX_E_FILE_TOO_BIG, "%s: the stream is at its 2 TiB limit",
                    s->extent.file->path);
  /* In the order of the file: a gap would end it for who reads markers. */
  if (err == VIX_OK)
    err = file_write (s->extent.file, packed,
                      nr_sectors * VIXDISKLIB_SECTOR_SIZE,
                      s->end * VIXDISKLIB_SECTOR_SIZE);
  if (err == VIX_OK)
    err = tables_ensure (s, (uint32_t)(grain / GTES_PER_TABLE), &table);
  if (err == VIX_OK) {
    tables_set (s, table, grain, 1, (uint32_t)s->end);
    s->end += nr_sectors;
  }
  pthread_mutex_unlock (&s->lock);
  return err;
}

/* Writes n sectors of one grain, skip into it. */
static VixError
write_grain (struct sparse *s, uint64_t grain, uint64_t skip, uint64_t n,
             const uint8_t *buf)
{
  uint64_t bytes = s->grain_sectors * VIXDISKLIB_SECTOR_SIZE;
  uint8_t *whole = calloc (1, bytes);
  uint8_t *packed = NULL;
  uint64_t nr_sectors = 0;
  struct span span;
  VixError err;

  if (!whole)
    return VIX_E_OUT_OF_MEMORY;
  pthread_mutex_lock (&s->lock);
  err = sparse_span_locked (s, grain * s->grain_sectors, 1, &span);
  pthread_mutex_unlock (&s->lock);
  if (err == VIX_OK && span.kind != SPAN_DATA && is_zero (buf, n)) {
    free (whole);
    return VIX_OK;
  }
  if (err == VIX_OK && span.kind == SPAN_DATA && n < s->grain_sectors)
    err = stream_unpack (s, grain, span.file_sector, whole);
  if (err == VIX_OK) {
    memcpy (whole + skip * VIXDISKLIB_SECTOR_SIZE, buf,
            n * VIXDISKLIB_SECTOR_SIZE);
    err = pack (s, grain, whole, &packed, &nr_sectors);
  }
  if (err == VIX_OK)
    err = append (s, grain, packed, nr_sectors);
  free (packed);
  free (whole);
  return err;
}

VixError
stream_write (struct sparse *s, uint64_t sector, uint64_t nr_sectors,
              const uint8_t *buf)
{
  struct pending mine;
  VixError err = VIX_OK;

  while (err == VIX_OK && nr_sectors > 0) {
    uint64_t grain = sector / s->grain_sectors;
    uint64_t skip = sector % s->grain_sectors;
    uint64_t n = s->grain_sectors - skip;

    if (n > nr_sectors)
      n = nr_sectors;
    mine = (struct pending){ .first = grain, .count = 1 };
    sparse_claim (s, &mine);
    err = write_grain (s, grain, skip, n, buf);
    sparse_release (s, &mine);
    sector += n;
    nr_sectors -= n;
    buf += n * VIXDISKLIB_SECTOR_SIZE;
  }
  return err;
}

/* A marker and what it announces, at the end. */
static VixError
put_marked (struct sparse *s, uint64_t *at, const void *bytes, uint64_t length,
            enum marker_type type)
{
  uint64_t sectors
      = (length + VIXDISKLIB_SECTOR_SIZE - 1) / VIXDISKLIB_SECTOR_SIZE;
  uint8_t raw[VIXDISKLIB_SECTOR_SIZE];
  VixError err;

  stream_put_marker (raw, sectors, type);
  err = file_resize (s->extent.file,
                     (*at + 1 + sectors) * VIXDISKLIB_SECTOR_SIZE);
  if (err == VIX_OK)
    err = file_write (s->extent.file, raw, sizeof raw,
                      *at * VIXDISKLIB_SECTOR_SIZE);
  if (err == VIX_OK)
    err = file_write (s->extent.file, bytes, length,
                      (*at + 1) * VIXDISKLIB_SECTOR_SIZE);
  *at += 1 + sectors;
  return err;
}

/* With the lock held; the data is durable. */
VixError
stream_commit (struct sparse *s)
{
  uint64_t at = s->end;
  uint32_t *gd = malloc (s->gd_entries * sizeof *gd);
  VixError err = gd ? cut_tail (s) : VIX_E_OUT_OF_MEMORY;

  for (size_t i = 0; err == VIX_OK && i < s->nr_ring; i++) {
    const struct table *table = s->ring[i];

    if (!table->dirty)
      continue;
    s->gd[table->gd_index] = (uint32_t)at + 1;
    err = put_marked (s, &at, table->raw, table_bytes (s), MARKER_TABLE);
  }
  for (uint32_t i = 0; err == VIX_OK && i < s->gd_entries; i++)
    gd[i] = htole32 (s->gd[i]);
  if (err == VIX_OK)
    err = put_marked (s, &at, gd, s->gd_entries * sizeof *gd, MARKER_DIRECTORY);
  /* Until the footer is there, readers go by the markers of the grains: then
   * all that it leads to must be there, too.
   */
  if (err == VIX_OK)
    err = file_flush (s->extent.file);
  if (err == VIX_OK)
    err = stream_put_footer (
        s->extent.file, &s->header,
        at
            - (s->gd_entries * sizeof *gd + VIXDISKLIB_SECTOR_SIZE - 1)
                  / VIXDISKLIB_SECTOR_SIZE);
  s->stream->has_tail = true;
  free (gd);
  return err;
}
