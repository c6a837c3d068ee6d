/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From bytes of the control socket to bodies of frames.  A frame may carry a
 * password: bytes that are moved are wiped where they were.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "frame.h"

enum frame_state
frame_peek (struct frame_reader *reader, char **body, size_t *length)
{
  const uint8_t *at = (const uint8_t *)reader->bytes + reader->start;
  size_t have = reader->end - reader->start;
  uint32_t n;

  if (have < FRAME_HEADER_BYTES)
    return FRAME_INCOMPLETE;
  n = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8
      | at[3];
  if (n < 1 || n > FRAME_TO_HELPER_BYTES_MAX)
    return FRAME_BAD_LENGTH;
  if (have - FRAME_HEADER_BYTES < n)
    return FRAME_INCOMPLETE;
  *body = reader->bytes + reader->start + FRAME_HEADER_BYTES;
  *length = n;
  return FRAME_READY;
}

void
frame_consume (struct frame_reader *reader, size_t length)
{
  reader->start += FRAME_HEADER_BYTES + length;
  if (reader->start == reader->end)
    reader->start = reader->end = 0;
}

/* Moves what is left to the front, so that a frame of any length fits. */
static void
make_room (struct frame_reader *reader)
{
  size_t left = reader->end - reader->start;
  size_t old_end = reader->end;

  memmove (reader->bytes, reader->bytes + reader->start, left);
  reader->start = 0;
  reader->end = left;
  explicit_bzero (reader->bytes + left, old_end - left);
}

ssize_t
frame_fill (struct frame_reader *reader, int fd)
{
  ssize_t n;

  if (reader->start > 0 && reader->end > sizeof reader->bytes / 2)
    make_room (reader);
  if (reader->end == sizeof reader->bytes)
    return -1;
  do
    n = recv (fd, reader->bytes + reader->end,
              sizeof reader->bytes - reader->end, MSG_DONTWAIT);
  while (n == -1 && errno == EINTR);
  if (n > 0)
    reader->end += (size_t)n;
  if (n == -1 && errno != EAGAIN)
    return 0; /* reset by the host: the same as the end */
  return n;
}
