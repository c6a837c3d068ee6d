/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the fake library does wrong, from the environment.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/fake.h"

static void
sleep_ms (uint64_t ms)
{
  struct timespec time = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };

  while (nanosleep (&time, &time) == -1)
    ;
}

static void
long_log (uint64_t bytes)
{
  char *text = malloc (bytes + 1);

  if (text == NULL)
    abort ();
  memset (text, 'x', bytes);
  text[bytes] = '\0';
  fake_log ("%s\n", text);
  free (text);
}

static enum fake_action
act (const char *action, uint64_t value)
{
  if (strcmp (action, "fail") == 0)
    return FAKE_FAIL;
  if (strcmp (action, "refuse") == 0)
    return FAKE_REFUSE;
  if (strcmp (action, "double") == 0)
    return FAKE_DOUBLE;
  if (strcmp (action, "unknown") == 0)
    return FAKE_UNKNOWN;
  if (strcmp (action, "slow") == 0)
    sleep_ms (value);
  else if (strcmp (action, "hang") == 0)
    for (;;)
      pause ();
  else if (strcmp (action, "crash") == 0)
    raise ((int)value);
  else if (strcmp (action, "panic") == 0)
    fake_panic ("fake: panic number %d\n", (int)value);
  else if (strcmp (action, "longlog") == 0)
    long_log (value);
  else if (strcmp (action, "log") == 0)
    for (uint64_t i = 0; i < value; i++)
      fake_log ("fake: line %d of a flood\n", (int)i);
  else
    fake_breach ("an unknown action in the script");
  return FAKE_NOTHING;
}

/* Runs the entries of `script` that `matches` likes, until one returns an
 * action for the caller.
 */
static enum fake_action
run (const char *script, bool (*matches) (const char *key, const void *data),
     const void *data, uint64_t *value)
{
  enum fake_action left = FAKE_NOTHING;
  char *copy, *entry, *rest;

  if (script == NULL)
    return FAKE_NOTHING;
  rest = copy = strdup (script);
  while (left == FAKE_NOTHING && (entry = strsep (&rest, ",")) != NULL) {
    const char *key = strsep (&entry, ":");
    const char *action = strsep (&entry, ":");
    uint64_t number = entry == NULL ? 0 : strtoull (entry, NULL, 0);

    if (action == NULL)
      fake_breach ("an entry of a script is key:action:value");
    if (matches (key, data)) {
      *value = number;
      left = act (action, number);
    }
  }
  free (copy);
  return left;
}

static bool
is_function (const char *key, const void *data)
{
  return strcmp (key, data) == 0;
}

enum fake_action
fake_at (const char *function, uint64_t *value)
{
  return run (getenv ("FAKE_AT"), is_function, function, value);
}

struct range {
  uint64_t start;
  uint64_t count;
};

static bool
is_in_range (const char *key, const void *data)
{
  const struct range *range = data;
  uint64_t sector = strtoull (key, NULL, 0);

  return sector >= range->start && sector - range->start < range->count;
}

enum fake_action
fake_sectors (uint64_t start, uint64_t count, uint64_t *value)
{
  struct range range = { start, count };

  return run (getenv ("FAKE_SECTOR"), is_in_range, &range, value);
}
