/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The counters: mapped from FAULT_STATE, or of this process alone.  Several
 * processes count at once, so everything in it is atomic.
 */
#include "state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checks.h"

_Static_assert(NR_PLACES <= 16, "places has 16 counters");
_Static_assert(sizeof (struct state) == 28 * 8 + STATE_SLOTS * 24,
               "no padding: the layout is documented");

static struct state own;
struct state *state = &own;
bool state_is_shared;

void
state_init (void)
{
  const char *path = getenv ("FAULT_STATE");
  uint64_t nothing = 0;
  void *at;
  int fd;

  if (path == NULL || *path == '\0')
    return;
  fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd == -1 || ftruncate (fd, sizeof (struct state)) == -1)
    misuse ("FAULT_STATE: %s: %m", path);
  at = mmap (NULL, sizeof (struct state), PROT_READ | PROT_WRITE, MAP_SHARED,
             fd, 0);
  if (at == MAP_FAILED)
    misuse ("FAULT_STATE: %s: %m", path);
  close (fd);
  state = at;
  if (!atomic_compare_exchange_strong (&state->magic, &nothing, STATE_MAGIC)
      && nothing != STATE_MAGIC)
    misuse ("FAULT_STATE: %s is something else", path);
  state_is_shared = true;
}

unsigned
state_slot_of (uint64_t key)
{
  for (unsigned i = 0; i < STATE_SLOTS; i++) {
    unsigned at = (unsigned)((key + i) % STATE_SLOTS);
    uint64_t found = 0;

    if (atomic_compare_exchange_strong (&state->slots[at].key, &found, key)
        || found == key)
      return at;
  }
  misuse ("FAULT_STATE: more than %d different rules", STATE_SLOTS);
}
