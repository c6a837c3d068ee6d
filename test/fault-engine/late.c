/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The shadow process of `late-write`.  It makes system calls only, since it
 * is a fork of a process with threads.  The order in which the kernel closes
 * a dead process's files counts: the disk's, with the lock, has a lower
 * number than the pipe whose end wakes the shadow.
 */
#include "late.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache.h"
#include "checks.h"
#include "faults.h"
#include "state.h"

/* Writes that can land late: as many at once, as long. */
#define NR_SLOTS   64
#define SLOT_BYTES (2 * 1024 * 1024)

/* Above all descriptors of a disk, below the usual limit of 1024. */
#define PIPE_FD_MIN 700

#define SLOT_FREE    UINT64_C (0)
#define SLOT_FILLING UINT64_MAX

struct slot {
  _Atomic uint64_t number; /* of the request, or one of the two above */
  uint64_t offset;
  uint64_t bytes;
};

/* In memory that both processes share. */
struct late {
  _Atomic bool is_closed;
  int pipe_fd; /* of the engine */
  uint64_t delay_ns;
  bool hold;
  bool nolock;
  uint64_t generation; /* the number of its Open */
  struct slot slots[NR_SLOTS];
  uint8_t bytes[NR_SLOTS][SLOT_BYTES];
};

/* The write that was submitted first of those in flight, or NULL. */
static struct slot *
first_in_flight (struct late *late)
{
  struct slot *first = NULL;
  uint64_t least = SLOT_FILLING;

  for (int i = 0; i < NR_SLOTS; i++) {
    uint64_t number = atomic_load (&late->slots[i].number);

    if (number != SLOT_FREE && number < least) {
      least = number;
      first = &late->slots[i];
    }
  }
  return first;
}

/* Whether the lock that the session had is broken: somebody has it, or has had
 * it since.  Later sessions are known by the state file alone.
 */
static bool
is_fenced (const struct late *late)
{
  if (late->nolock || late->hold)
    return false;
  if (state_is_shared && atomic_load (&state->generation) != late->generation)
    return true;
  return flock (1, LOCK_EX | LOCK_NB) == -1;
}

static _Noreturn void
shadow (struct late *late, int pipe_fd, int file_fd, int lock_fd)
{
  bool may_write;
  struct slot *s;
  char byte;

  if (dup2 (pipe_fd, 0) == -1 || dup2 (file_fd, 1) == -1
      || (late->hold ? dup2 (lock_fd, 2) : close (2)) == -1
      || close_range (3, ~0U, 0) == -1)
    _exit (1);
  while (read (0, &byte, 1) == -1 && errno == EINTR)
    ;
  if (atomic_load (&late->is_closed))
    _exit (0);
  sleep_ns (late->delay_ns);
  may_write = !is_fenced (late);
  while ((s = first_in_flight (late)) != NULL) {
    const uint8_t *from = late->bytes[s - late->slots];

    if (may_write && write_all (1, from, s->offset, s->bytes))
      atomic_fetch_add (&state->late_landed, 1);
    else
      atomic_fetch_add (&state->late_fenced, 1);
    atomic_store (&s->number, SLOT_FREE);
  }
  _exit (0);
}

/* Forks twice, so that the shadow is nobody's child and in no group that
 * somebody kills.
 */
static void
start (struct late *late, int pipe_fd, int file_fd, int lock_fd)
{
  pid_t pid = fork ();
  int status;

  if (pid == 0) {
    setsid ();
    pid = fork ();
    if (pid == 0)
      shadow (late, pipe_fd, file_fd, lock_fd);
    _exit (pid == -1);
  }
  while (pid != -1 && waitpid (pid, &status, 0) == -1 && errno == EINTR)
    ;
  if (pid == -1 || status != 0)
    misuse ("late-write: fork: %m");
}

struct late *
late_new (const struct disk *disk, uint64_t delay_ns, bool hold, bool nolock)
{
  struct late *late = mmap (NULL, sizeof *late, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  int file_fd = open (disk->path, O_RDWR | O_CLOEXEC);
  int ends[2];

  if (late == MAP_FAILED || file_fd == -1 || pipe2 (ends, O_CLOEXEC) == -1)
    misuse ("late-write: %m");
  late->delay_ns = delay_ns;
  late->hold = hold;
  late->nolock = nolock;
  late->generation = atomic_load (&state->generation);
  late->pipe_fd = fcntl (ends[1], F_DUPFD_CLOEXEC, PIPE_FD_MIN);
  if (late->pipe_fd == -1)
    misuse ("late-write: a descriptor of %d or more: %m", PIPE_FD_MIN);
  close (ends[1]);
  start (late, ends[0], file_fd, disk->fd);
  close (ends[0]);
  close (file_fd);
  return late;
}

int
late_begin (struct late *late, const struct request *r)
{
  if (bytes_of (r) > SLOT_BYTES)
    return -1;
  for (int i = 0; i < NR_SLOTS; i++) {
    uint64_t number = SLOT_FREE;
    struct slot *s = &late->slots[i];

    if (!atomic_compare_exchange_strong (&s->number, &number, SLOT_FILLING))
      continue;
    s->offset = r->start_sector * VIXDISKLIB_SECTOR_SIZE;
    s->bytes = bytes_of (r);
    memcpy (late->bytes[i], r->write_from, s->bytes);
    atomic_store (&s->number, r->number);
    return i;
  }
  return -1;
}

void
late_end (struct late *late, int slot)
{
  if (slot >= 0)
    atomic_store (&late->slots[slot].number, SLOT_FREE);
}

void
late_free (struct late *late)
{
  atomic_store (&late->is_closed, true);
  close (late->pipe_fd);
  munmap (late, sizeof *late);
}
