/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Compressed grains (deflate with zlib header, behind a marker), read only.
 * A whole grain is inflated straight into the caller's buffer; for parts of
 * grains a few inflated ones are kept.
 */
#include "sparse.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "log.h"

/* Inflated grains kept; at most 32 MiB with the largest grains. */
#define MAX_CACHED_GRAINS 16

/* A grain's marker: its first sector (8 bytes), compressed bytes (4). */
#define MARKER_BYTES 12

struct cached_grain {
  uint64_t number;
  uint8_t *data; /* NULL if the slot is empty */
};

struct stream {
  uint8_t *packed; /* one compressed grain with its marker */
  uint64_t max_packed_bytes;
  z_stream inflater;
  struct cached_grain cache[MAX_CACHED_GRAINS]; /* slot: number % size */
};

VixError
stream_open (struct sparse *s)
{
  struct stream *stream = calloc (1, sizeof *stream);

  if (!stream)
    return VIX_E_OUT_OF_MEMORY;
  /* Deflate never grows data by that much. */
  stream->max_packed_bytes
      = MARKER_BYTES + 2 * s->header.grain_sectors * VIXDISKLIB_SECTOR_SIZE;
  stream->packed = malloc (stream->max_packed_bytes);
  if (!stream->packed || inflateInit (&stream->inflater) != Z_OK) {
    free (stream->packed);
    free (stream);
    return VIX_E_OUT_OF_MEMORY;
  }
  s->stream = stream;
  return VIX_OK;
}

void
stream_free (struct stream *stream)
{
  if (!stream)
    return;
  for (size_t i = 0; i < MAX_CACHED_GRAINS; i++)
    free (stream->cache[i].data);
  inflateEnd (&stream->inflater);
  free (stream->packed);
  free (stream);
}

/* Reads the marker; *end becomes the byte behind the compressed grain. */
static VixError
decode_marker (const struct sparse *s, const uint8_t *raw, uint64_t offset,
               uint64_t *lba, uint64_t *end)
{
  uint32_t length;

  memcpy (lba, raw, sizeof *lba);
  memcpy (&length, raw + 8, sizeof length);
  *lba = le64toh (*lba);
  length = le32toh (length);
  *end = offset + MARKER_BYTES + length;
  if (length == 0 || MARKER_BYTES + length > s->stream->max_packed_bytes)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the image is damaged: the compressed grain at byte "
                     "%" PRIu64 " has an impossible length",
                     s->extent.file->path, offset);
  if (*end > s->extent.file->size)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the file is truncated: the compressed grain at "
                     "byte %" PRIu64 " ends behind it",
                     s->extent.file->path, offset);
  return VIX_OK;
}

VixError
stream_check (struct sparse *s, uint64_t file_sector)
{
  uint64_t offset = file_sector * VIXDISKLIB_SECTOR_SIZE;
  uint8_t raw[MARKER_BYTES];
  uint64_t lba, end;
  VixError err;

  err = file_read (s->extent.file, raw, sizeof raw, offset);
  if (err == VIX_OK)
    err = decode_marker (s, raw, offset, &lba, &end);
  return err;
}

/* Reads the marker and the compressed bytes into stream->packed.  The first
 * read takes a grain's worth, which usually is enough for both.
 */
static VixError
read_packed (struct sparse *s, uint64_t grain, uint64_t file_sector,
             uint64_t *length)
{
  struct file *file = s->extent.file;
  uint64_t offset = file_sector * VIXDISKLIB_SECTOR_SIZE;
  uint64_t grain_bytes = s->header.grain_sectors * VIXDISKLIB_SECTOR_SIZE;
  uint64_t have = file->size - offset;
  uint64_t lba, end;
  VixError err;

  if (have > grain_bytes)
    have = grain_bytes;
  err = file_read (file, s->stream->packed, have, offset);
  if (err == VIX_OK)
    err = decode_marker (s, s->stream->packed, offset, &lba, &end);
  if (err != VIX_OK)
    return err;
  if (lba != grain * s->header.grain_sectors)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the image is damaged: the marker of grain %" PRIu64
                     " belongs to another one",
                     file->path, grain);
  *length = end - offset - MARKER_BYTES;
  if (end > offset + have)
    err = file_read (file, s->stream->packed + have, end - offset - have,
                     offset + have);
  return err;
}

/* Inflates the grain into out, which has room for a whole one. */
static VixError
unpack (struct sparse *s, uint64_t grain, uint64_t file_sector, uint8_t *out)
{
  uint64_t grain_bytes = s->header.grain_sectors * VIXDISKLIB_SECTOR_SIZE;
  uint64_t needed = sparse_grain_length (s, grain) * VIXDISKLIB_SECTOR_SIZE;
  z_stream *z = &s->stream->inflater;
  uint64_t length = 0;
  VixError err;
  int r;

  err = read_packed (s, grain, file_sector, &length);
  if (err != VIX_OK)
    return err;
  inflateReset (z);
  z->next_in = s->stream->packed + MARKER_BYTES;
  z->avail_in = (uInt)length;
  z->next_out = out;
  z->avail_out = (uInt)grain_bytes;
  r = inflate (z, Z_FINISH);
  if (r != Z_STREAM_END || grain_bytes - z->avail_out < needed)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the image is damaged: grain %" PRIu64
                     " can't be decompressed (%s)",
                     s->extent.file->path, grain,
                     z->msg ? z->msg : "wrong length");
  return VIX_OK;
}

VixError
stream_read (struct sparse *s, uint64_t grain, uint64_t file_sector,
             uint64_t skip_sectors, uint64_t nr_sectors, uint8_t *buf)
{
  struct cached_grain *slot = &s->stream->cache[grain % MAX_CACHED_GRAINS];
  VixError err;

  if (!slot->data || slot->number != grain) {
    if (nr_sectors == s->header.grain_sectors)
      return unpack (s, grain, file_sector, buf);
    if (!slot->data
        && !(slot->data
             = malloc (s->header.grain_sectors * VIXDISKLIB_SECTOR_SIZE)))
      return VIX_E_OUT_OF_MEMORY;
    slot->number = grain;
    err = unpack (s, grain, file_sector, slot->data);
    if (err != VIX_OK) {
      free (slot->data);
      slot->data = NULL;
      return err;
    }
  }
  memcpy (buf, slot->data + skip_sectors * VIXDISKLIB_SECTOR_SIZE,
          nr_sectors * VIXDISKLIB_SECTOR_SIZE);
  return VIX_OK;
}
