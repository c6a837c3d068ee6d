/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From bytes of the control socket to bodies of frames.  Knows nothing of
 * msgpack; one fixed buffer, nothing is allocated.
 */
#ifndef VDDK_NBD_FRAME_H
#define VDDK_NBD_FRAME_H

#include <stddef.h>
#include <sys/types.h>

#include "protocol.h"

struct frame_reader {
  size_t start; /* of what was received and not consumed */
  size_t end;
  char bytes[FRAME_HEADER_BYTES + FRAME_TO_HELPER_BYTES_MAX];
};

enum frame_state {
  FRAME_INCOMPLETE,
  FRAME_READY,
  FRAME_BAD_LENGTH, /* not 1 to FRAME_TO_HELPER_BYTES_MAX */
};

/* Looks at the first frame; FRAME_READY sets body and length, which stay
 * valid until frame_consume() or frame_fill().
 */
enum frame_state frame_peek (struct frame_reader *reader, char **body,
                             size_t *length);

/* Drops the frame that frame_peek() showed. */
void frame_consume (struct frame_reader *reader, size_t length);

/* One recv without waiting, after all whole frames were consumed or while
 * some are kept for lack of room elsewhere.  Returns the number of bytes,
 * 0 at the end of the stream, -1 if there is nothing now.
 */
ssize_t frame_fill (struct frame_reader *reader, int fd);

#endif /* VDDK_NBD_FRAME_H */
