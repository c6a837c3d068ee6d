/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Compressed grains (deflate with zlib header, behind a marker): reading.  A
 * whole grain is inflated straight into the caller's buffer; for parts of
 * grains, inflated ones are kept, and inflated once however many ask.
 */
#include "stream.h"

#include <inttypes.h>
#include <stdlib.h>

#include "bytes.h"
#include "log.h"

VixError
stream_open (struct sparse *s)
{
  uint64_t grain_bytes = s->grain_sectors * VIXDISKLIB_SECTOR_SIZE;
  struct stream *stream = calloc (1, sizeof *stream);

  if (!stream)
    return VIX_E_OUT_OF_MEMORY;
  pthread_mutex_init (&stream->lock, NULL);
  pthread_cond_init (&stream->loaded, NULL);
  s->stream = stream;
  /* Deflate never grows data by that much. */
  stream->max_packed_bytes = GRAIN_MARKER_BYTES + 2 * grain_bytes;
  stream->nr_slots = MAX_INFLATED_BYTES / grain_bytes;
  if (stream->nr_slots < MIN_INFLATED_GRAINS)
    stream->nr_slots = MIN_INFLATED_GRAINS;
  stream->slots = calloc (stream->nr_slots, sizeof *stream->slots);
  return stream->slots ? VIX_OK : VIX_E_OUT_OF_MEMORY;
}

static void
free_workplace (struct workplace *w)
{
  packer_free (w->packer);
  free (w);
}

void
stream_free (struct stream *stream)
{
  struct workplace *next;

  if (!stream)
    return;
  for (struct workplace *w = stream->idle; w; w = next) {
    next = w->next;
    free_workplace (w);
  }
  for (size_t i = 0; stream->slots && i < stream->nr_slots; i++)
    free (stream->slots[i].data);
  free (stream->slots);
  pthread_cond_destroy (&stream->loaded);
  pthread_mutex_destroy (&stream->lock);
  free (stream);
}

struct workplace *
stream_borrow (struct stream *stream)
{
  struct workplace *w;

  pthread_mutex_lock (&stream->lock);
  w = stream->idle;
  if (w)
    stream->idle = w->next;
  pthread_mutex_unlock (&stream->lock);
  if (w)
    return w;
  w = malloc (sizeof *w + stream->max_packed_bytes);
  if (w && !(w->packer = packer_new ())) {
    free (w);
    return NULL;
  }
  return w;
}

void
stream_give_back (struct stream *stream, struct workplace *w)
{
  pthread_mutex_lock (&stream->lock);
  w->next = stream->idle;
  stream->idle = w;
  pthread_mutex_unlock (&stream->lock);
}

VixError
stream_decode_front (const struct sparse *s, const uint8_t *raw,
                     uint64_t offset, uint64_t *lba, uint64_t *end)
{
  const struct stream *stream = s->stream;
  uint64_t length = get32 (raw + 8);

  *lba = get64 (raw);
  *end = offset + GRAIN_MARKER_BYTES + length;
  if (length == 0 || GRAIN_MARKER_BYTES + length > stream->max_packed_bytes)
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
  uint8_t raw[GRAIN_MARKER_BYTES];
  uint64_t lba, end;
  VixError err;

  err = file_read (s->extent.file, raw, sizeof raw, offset);
  if (err == VIX_OK)
    err = stream_decode_front (s, raw, offset, &lba, &end);
  return err;
}

/* Reads the compressed bytes with what is in front of them.  The first read
 * takes a grain's worth, which usually is enough for all.
 */
static VixError
read_packed (struct sparse *s, uint64_t grain, uint64_t file_sector,
             uint8_t *packed, uint64_t *length)
{
  struct file *file = s->extent.file;
  uint64_t offset = file_sector * VIXDISKLIB_SECTOR_SIZE;
  uint64_t grain_bytes = s->grain_sectors * VIXDISKLIB_SECTOR_SIZE;
  uint64_t have = file->size - offset;
  uint64_t lba, end;
  VixError err;

  if (have > grain_bytes)
    have = grain_bytes;
  err = file_read (file, packed, have, offset);
  if (err == VIX_OK)
    err = stream_decode_front (s, packed, offset, &lba, &end);
  if (err != VIX_OK)
    return err;
  if (lba != grain * s->grain_sectors)
    return log_fail (VIX_E_DISK_INVALIDDISK,
                     "%s: the image is damaged: the marker of grain %" PRIu64
                     " belongs to another one",
                     file->path, grain);
  *length = end - offset - GRAIN_MARKER_BYTES;
  if (end > offset + have)
    err = file_read (file, packed + have, end - offset - have, offset + have);
  return err;
}

VixError
stream_unpack (struct sparse *s, uint64_t grain, uint64_t file_sector,
               uint8_t *out)
{
  uint64_t grain_bytes = s->grain_sectors * VIXDISKLIB_SECTOR_SIZE;
  uint64_t needed = grain_length (s, grain) * VIXDISKLIB_SECTOR_SIZE;
  struct workplace *w = stream_borrow (s->stream);
  uint64_t length = 0;
  size_t got;
  VixError err;

  if (!w)
    return VIX_E_OUT_OF_MEMORY;
  err = read_packed (s, grain, file_sector, w->packed, &length);
  if (err == VIX_OK
      && (!packer_inflate (w->packer, w->packed + GRAIN_MARKER_BYTES, length,
                           out, grain_bytes, &got)
          || got < needed))
    err = log_fail (VIX_E_DISK_INVALIDDISK,
                    "%s: the image is damaged: grain %" PRIu64
                    " can't be decompressed",
                    s->extent.file->path, grain);
  stream_give_back (s->stream, w);
  return err;
}

/* Inflates into the slot, which is ours: LOADING.  With the lock held. */
static VixError
load_slot (struct sparse *s, struct cached_grain *slot, uint64_t grain)
{
  struct stream *stream = s->stream;
  VixError err = VIX_E_OUT_OF_MEMORY;

  pthread_mutex_unlock (&stream->lock);
  if (!slot->data)
    slot->data = malloc (s->grain_sectors * VIXDISKLIB_SECTOR_SIZE);
  if (slot->data)
    err = stream_unpack (s, grain, slot->file_sector, slot->data);
  pthread_mutex_lock (&stream->lock);
  slot->state = err == VIX_OK ? GRAIN_READY : GRAIN_EMPTY;
  pthread_cond_broadcast (&stream->loaded);
  return err;
}

/* Makes the grain's slot have it.  With the lock held. */
static VixError
get_grain (struct sparse *s, uint64_t grain, uint64_t file_sector,
           const struct cached_grain **out)
{
  struct stream *stream = s->stream;
  struct cached_grain *slot = &stream->slots[grain % stream->nr_slots];

  *out = slot;
  for (;;) {
    if (slot->state == GRAIN_READY && slot->file_sector == file_sector)
      return VIX_OK;
    if (file_nowait)
      return FILE_WOULD_BLOCK;
    if (slot->state != GRAIN_LOADING)
      break;
    pthread_cond_wait (&stream->loaded, &stream->lock);
  }
  slot->state = GRAIN_LOADING;
  slot->file_sector = file_sector;
  return load_slot (s, slot, grain);
}

VixError
stream_read (struct sparse *s, uint64_t grain, uint64_t file_sector,
             uint64_t skip_sectors, uint64_t nr_sectors, uint8_t *buf)
{
  struct stream *stream = s->stream;
  const struct cached_grain *slot;
  VixError err;

  if (nr_sectors == s->grain_sectors)
    return file_nowait ? FILE_WOULD_BLOCK
                       : stream_unpack (s, grain, file_sector, buf);
  pthread_mutex_lock (&stream->lock);
  err = get_grain (s, grain, file_sector, &slot);
  if (err == VIX_OK)
    memcpy (buf, slot->data + skip_sectors * VIXDISKLIB_SECTOR_SIZE,
            nr_sectors * VIXDISKLIB_SECTOR_SIZE);
  pthread_mutex_unlock (&stream->lock);
  return err;
}
