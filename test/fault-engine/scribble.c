/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A library that goes wild before it dies: garbage over the buffers that it
 * was given to read into and over what lies around them, as far as the
 * mapping goes.  What it can't write to it can't harm, and leaves alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "complete.h"
#include "faults.h"

/* On each side of a buffer. */
#define AROUND_BYTES (64 * 1024)

/* The borders of the writable mapping that an address is in. */
static bool
find_mapping (uintptr_t address, uintptr_t *begin, uintptr_t *end)
{
  FILE *maps = fopen ("/proc/self/maps", "re");
  bool found = false;
  char line[512], mode[5];

  if (maps == NULL)
    return false;
  while (!found && fgets (line, sizeof line, maps) != NULL)
    found
        = sscanf (line, "%" SCNxPTR "-%" SCNxPTR " %4s", begin, end, mode) == 3
          && mode[1] == 'w' && *begin <= address && address < *end;
  fclose (maps);
  return found;
}

static void
scribble_around (uint8_t *buffer, uint64_t bytes)
{
  uintptr_t at = (uintptr_t)buffer, from, to;

  if (buffer == NULL || !find_mapping (at, &from, &to))
    return;
  if (at - from > AROUND_BYTES)
    from = at - AROUND_BYTES;
  if (to - at > bytes + AROUND_BYTES)
    to = at + bytes + AROUND_BYTES;
  memset (buffer - (at - from), 0xbd, to - from);
}

static void
scribble_pending (const struct request *r)
{
  if (!r->is_write)
    scribble_around (r->read_to, bytes_of (r));
}

void
scribble (const struct disk *disk, const struct request *r)
{
  if (r != NULL)
    scribble_pending (r);
  complete_each_pending (scribble_pending);
  scribble_around (atomic_load (&disk->last_read), VIXDISKLIB_SECTOR_SIZE);
}
