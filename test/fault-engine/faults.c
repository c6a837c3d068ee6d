/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When which rule acts, and the ways to crash.  The judgement is under one
 * lock; so are the rules' counts of this process.
 */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache.h"
#include "checks.h"
#include "log.h"
#include "state.h"

/* How often FAULT_FILE is looked at, at most. */
#define LOOK_NS UINT64_C (10000000)

/* A control file is a few lines. */
enum { FILE_BYTES_MAX = 64 * 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rules *_Atomic rules; /* NULL: none */
static const char *file_path;
static struct stat file_seen;
static _Atomic uint64_t next_look_ns;

/* What a rule has counted in this process; by slot of the state. */
static struct {
  uint64_t stuck;   /* session that is lost */
  uint64_t session; /* that `since` counts in */
  uint64_t since;
} locals[STATE_SLOTS];

uint64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * UINT64_C (1000000000) + (uint64_t)now.tv_nsec;
}

void
sleep_ns (uint64_t ns)
{
  struct timespec left = { (time_t)(ns / UINT64_C (1000000000)),
                           (long)(ns % UINT64_C (1000000000)) };

  while (nanosleep (&left, &left) == -1 && errno == EINTR)
    ;
}

/* The text of the control file; "" if there is none. */
static void
read_file (char text[FILE_BYTES_MAX + 1])
{
  int fd = open (file_path, O_RDONLY | O_CLOEXEC);
  ssize_t n = 0;

  text[0] = '\0';
  memset (&file_seen, 0, sizeof file_seen);
  if (fd == -1)
    return;
  if (fstat (fd, &file_seen) == 0)
    n = pread (fd, text, FILE_BYTES_MAX, 0);
  text[n > 0 ? n : 0] = '\0';
  close (fd);
}

/* Makes the rules anew; under the lock.  False, and no change, on an error. */
static bool
load (char error[RULE_ERROR_MAX])
{
  const char *text = getenv ("FAULT");
  struct rules *fresh = calloc (1, sizeof *fresh);
  char *file = malloc (FILE_BYTES_MAX + 1);
  bool ok;

  if (fresh == NULL || file == NULL)
    misuse ("out of memory");
  file[0] = '\0';
  if (file_path != NULL)
    read_file (file);
  ok = rules_parse (fresh, text == NULL ? "" : text, error)
       && rules_parse (fresh, file, error);
  free (file);
  if (!ok || (fresh->nr == 0 && atomic_load (&rules) == NULL)) {
    free (fresh);
    return ok;
  }
  fresh->older = atomic_load (&rules);
  atomic_store (&rules, fresh);
  return true;
}

void
faults_init (void)
{
  char error[RULE_ERROR_MAX];

  file_path = getenv ("FAULT_FILE");
  if (file_path != NULL && *file_path == '\0')
    file_path = NULL;
  if (!load (error))
    misuse ("%s", error);
  atomic_store (&next_look_ns, now_ns () + LOOK_NS);
}

static bool
file_has_changed (void)
{
  struct stat st;

  if (stat (file_path, &st) == -1)
    return file_seen.st_ino != 0;
  return st.st_ino != file_seen.st_ino || st.st_size != file_seen.st_size
         || st.st_mtim.tv_sec != file_seen.st_mtim.tv_sec
         || st.st_mtim.tv_nsec != file_seen.st_mtim.tv_nsec;
}

static void
look_at_file (void)
{
  char error[RULE_ERROR_MAX];
  bool ok = true;

  pthread_mutex_lock (&lock);
  if (file_has_changed ())
    ok = load (error);
  pthread_mutex_unlock (&lock);
  if (!ok)
    log_warn ("fault-engine: %s: %s", file_path, error);
}

bool
faults_active (void)
{
  if (file_path != NULL) {
    uint64_t now = now_ns (), due = atomic_load (&next_look_ns);

    if (now >= due
        && atomic_compare_exchange_strong (&next_look_ns, &due, now + LOOK_NS))
      look_at_file ();
  }
  return atomic_load (&rules) != NULL || state_is_shared;
}

static bool
is_about_disk (const struct rule *rule, const char *path)
{
  return rule->disk == NULL
         || (path != NULL && strstr (path, rule->disk) != NULL);
}

static bool
is_about_sectors (const struct rule *rule, uint64_t start, uint64_t count)
{
  return rule->nr_sectors == 0
         || (start < rule->first_sector + rule->nr_sectors
             && rule->first_sector < start + count);
}

/* Whether the conditions that count are met; counts.  Under the lock. */
static bool
is_due (const struct rule *rule, unsigned slot, uint64_t session)
{
  struct state_slot *s = &state->slots[slot];
  uint64_t count = atomic_fetch_add (&s->count, 1) + 1;

  if (locals[slot].session != session) {
    locals[slot].session = session;
    locals[slot].since = 0;
  }
  locals[slot].since++;
  if ((rule->nth != 0 && count != rule->nth)
      || (rule->every != 0 && count % rule->every != 0)
      || (rule->after != 0 && locals[slot].since <= rule->after)
      || (rule->threshold != 0
          && mixed (rule->seed * UINT64_C (0x2545f4914f6cdd1d) + count)
                 >= rule->threshold))
    return false;
  if (atomic_fetch_add (&s->fired, 1) < rule->times || rule->times == 0)
    return true;
  atomic_fetch_sub (&s->fired, 1);
  return false;
}

/* Whether a rule acts on a call; under the lock. */
static bool
acts (const struct rule *rule, enum place place,
      const struct connection *connection, const struct disk *disk,
      uint64_t start, uint64_t count)
{
  uint64_t session = disk == NULL ? 0 : disk->id;
  unsigned slot;

  if (rule->until == UNTIL_RECONNECT)
    session = connection == NULL ? 0 : connection->id;
  if (!((rule->places | rule->stuck_at) & (1U << place))
      || !is_about_disk (rule, disk == NULL ? NULL : disk->path)
      || !is_about_sectors (rule, start, count))
    return false;
  slot = state_slot_of (rule->key);
  if (rule->until != UNTIL_NOTHING && session != 0
      && locals[slot].stuck == session)
    return (rule->stuck_at & (1U << place)) != 0;
  if (!(rule->places & (1U << place)) || !is_due (rule, slot, session))
    return false;
  if (rule->until != UNTIL_NOTHING)
    locals[slot].stuck = session;
  return true;
}

static void
add_error (struct verdict *v, VixError error)
{
  if (v->error == VIX_OK) {
    v->error = error;
    atomic_fetch_add (&state->errors, 1);
  }
}

static void
add_completion (struct verdict *v, enum complete complete)
{
  v->is_late |= complete == COMPLETE_LATE || complete == COMPLETE_NEVER;
  v->is_shuffled |= complete == COMPLETE_SHUFFLE;
  v->is_twice |= complete == COMPLETE_TWICE;
  v->is_never |= complete == COMPLETE_NEVER;
}

static void
add (struct verdict *v, const struct rule *rule)
{
  switch (rule->action) {
  case ACT_CRASH:
    v->crash = v->crash == NULL ? rule : v->crash;
    break;
  case ACT_HANG:
    v->hang = rule;
    break;
  case ACT_ERROR:
  case ACT_SESSION_LOST:
    add_error (v, rule->value);
    break;
  case ACT_DELAY:
    v->delay_ns += rule->value;
    break;
  case ACT_BANDWIDTH:
    if (v->bytes_per_s == 0 || rule->value < v->bytes_per_s)
      v->bytes_per_s = rule->value;
    break;
  case ACT_COMPLETE:
    add_completion (v, (enum complete)rule->value);
    break;
  case ACT_FLUSH:
    add_error (v, VIX_E_FILE_ERROR);
    v->is_flush_failure = true;
    break;
  case ACT_NOMEM:
  case ACT_VOLATILE:
  case ACT_LATE_WRITE:
  case ACT_CHECK:
  case ACT_NOLOCK:
  case ACT_ANY_THREAD:
  case NR_ACTIONS:
    break;
  }
}

struct verdict
faults_judge (enum place place, const struct connection *connection,
              const struct disk *disk, uint64_t start_sector,
              uint64_t nr_sectors)
{
  struct verdict v = { .error = VIX_OK };
  const struct rules *all;

  if (!faults_active ())
    return v;
  atomic_fetch_add (&state->places[place], 1);
  pthread_mutex_lock (&lock);
  all = atomic_load (&rules);
  for (unsigned i = 0; all != NULL && i < all->nr; i++)
    if (acts (&all->rules[i], place, connection, disk, start_sector,
              nr_sectors))
      add (&v, &all->rules[i]);
  pthread_mutex_unlock (&lock);
  return v;
}

static _Noreturn void
crash (const struct rule *rule)
{
  volatile int *nothing;

  switch ((enum crash)rule->value) {
  case CRASH_EXIT:
    _exit ((int)rule->status);
  case CRASH_PANIC:
    log_panic ("fault-engine: VERIFY: %s", rule->text);
    break;
  case CRASH_SEGV:
    /* A real fault, at an address that no sanitizer knows better. */
    nothing = mmap (NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (nothing != MAP_FAILED)
      *nothing = 1;
    break;
  case CRASH_ABORT:
    break;
  }
  abort ();
}

void
faults_carry_out (const struct verdict *verdict, const struct disk *disk,
                  const struct request *r)
{
  if (verdict->crash != NULL) {
    atomic_fetch_add (&state->crashes, 1);
    if (disk != NULL && disk->cache != NULL)
      atomic_fetch_add (&state->lost_bytes, cache_bytes (disk->cache));
    if (verdict->crash->scribble && disk != NULL)
      scribble (disk, r);
    crash (verdict->crash);
  }
  if (verdict->hang != NULL) {
    atomic_fetch_add (&state->hangs, 1);
    for (;;)
      pause ();
  }
}

VixError
faults_at (enum place place, const struct connection *connection,
           const struct disk *disk)
{
  struct verdict v = faults_judge (place, connection, disk, 0, 0);

  faults_carry_out (&v, disk, NULL);
  if (v.delay_ns > 0)
    sleep_ns (v.delay_ns);
  return v.error;
}

const struct rule *
faults_find (enum action action, const char *path)
{
  const struct rules *all = atomic_load (&rules);

  for (unsigned i = 0; all != NULL && i < all->nr; i++)
    if (all->rules[i].action == action && is_about_disk (&all->rules[i], path))
      return &all->rules[i];
  return NULL;
}
