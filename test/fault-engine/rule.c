/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The parser of one rule: an action and then conditions, in any order, each
 * a word or word=value.  The two tables say what goes with what.
 */
#include "rules.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BIT(n) (1U << (n))

#define IO_PLACES (BIT (AT_READ_ASYNC) | BIT (AT_WRITE_ASYNC))
#define WITH_SECTORS                                                           \
  (IO_PLACES | BIT (AT_READ_CALLBACK) | BIT (AT_WRITE_CALLBACK))
#define OPERATIONS (IO_PLACES | BIT (AT_FLUSH))
#define ANYWHERE   (BIT (NR_PLACES) - 1)
/* What goes through a session. */
#define OF_A_SESSION (ANYWHERE & ~(BIT (AT_INIT_EX) | BIT (AT_CONNECT_EX)))

static const char *const place_names[NR_PLACES] = {
  [AT_INIT_EX] = "InitEx",
  [AT_CONNECT_EX] = "ConnectEx",
  [AT_OPEN] = "Open",
  [AT_GET_INFO] = "GetInfo",
  [AT_READ_ASYNC] = "ReadAsync",
  [AT_READ_CALLBACK] = "ReadCallback",
  [AT_WRITE_ASYNC] = "WriteAsync",
  [AT_WRITE_CALLBACK] = "WriteCallback",
  [AT_FLUSH] = "Flush",
  [AT_QUERY_ALLOCATED_BLOCKS] = "QueryAllocatedBlocks",
  [AT_CLOSE] = "Close",
  [AT_WAIT] = "Wait",
};

/* Kinds of values. */
enum kind {
  KIND_NONE,
  KIND_COUNT, /* at least 1 */
  KIND_NUMBER,
  KIND_TIME,
  KIND_SIZE,
  KIND_CRASH,
  KIND_COMPLETE,
  KIND_FLUSH,
  KIND_PLACES,
  KIND_SECTORS,
  KIND_CHANCE,
  KIND_UNTIL,
  KIND_BY,
  KIND_TEXT,
};

enum word {
  WORD_AT,
  WORD_NTH,
  WORD_EVERY,
  WORD_AFTER,
  WORD_TIMES,
  WORD_ONCE,
  WORD_P,
  WORD_SEED,
  WORD_SECTOR,
  WORD_UNTIL,
  WORD_DISK,
  WORD_ID,
  WORD_REQUESTS,
  WORD_BYTES,
  WORD_BY,
  WORD_HOLD,
  WORD_SCRIBBLE,
  NR_WORDS,
};

static const struct {
  const char *name;
  enum kind kind;
} words[NR_WORDS] = {
  [WORD_AT] = { "at", KIND_PLACES },
  [WORD_NTH] = { "nth", KIND_COUNT },
  [WORD_EVERY] = { "every", KIND_COUNT },
  [WORD_AFTER] = { "after", KIND_COUNT },
  [WORD_TIMES] = { "times", KIND_COUNT },
  [WORD_ONCE] = { "once", KIND_NONE },
  [WORD_P] = { "p", KIND_CHANCE },
  [WORD_SEED] = { "seed", KIND_NUMBER },
  [WORD_SECTOR] = { "sector", KIND_SECTORS },
  [WORD_UNTIL] = { "until", KIND_UNTIL },
  [WORD_DISK] = { "disk", KIND_TEXT },
  [WORD_ID] = { "id", KIND_TEXT },
  [WORD_REQUESTS] = { "requests", KIND_COUNT },
  [WORD_BYTES] = { "bytes", KIND_SIZE },
  [WORD_BY] = { "by", KIND_BY },
  [WORD_HOLD] = { "hold", KIND_NONE },
  [WORD_SCRIBBLE] = { "scribble", KIND_NONE },
};

#define COMMON (BIT (WORD_DISK) | BIT (WORD_ID))
#define COUNTED                                                                \
  (COMMON | BIT (WORD_NTH) | BIT (WORD_EVERY) | BIT (WORD_AFTER)               \
   | BIT (WORD_TIMES) | BIT (WORD_ONCE) | BIT (WORD_P) | BIT (WORD_SEED))
#define PLACED (COUNTED | BIT (WORD_AT) | BIT (WORD_SECTOR))

static const struct {
  const char *name;
  enum kind kind;
  bool value_optional;
  uint64_t preset; /* the value that was not given */
  unsigned places; /* unless `at` says otherwise */
  unsigned words;  /* that may follow */
} actions[NR_ACTIONS] = {
  [ACT_CRASH]
  = { "crash", KIND_CRASH, false, 0, OPERATIONS, PLACED | BIT (WORD_SCRIBBLE) },
  [ACT_HANG] = { "hang", KIND_NONE, false, 0, OPERATIONS, PLACED },
  [ACT_ERROR]
  = { "error", KIND_COUNT, false, 0, OPERATIONS, PLACED | BIT (WORD_UNTIL) },
  [ACT_SESSION_LOST]
  = { "session-lost", KIND_COUNT, true, 36, OPERATIONS, COUNTED },
  [ACT_DELAY] = { "delay", KIND_TIME, false, 0, IO_PLACES, PLACED },
  [ACT_BANDWIDTH] = { "bandwidth", KIND_SIZE, false, 0, IO_PLACES, COMMON },
  [ACT_COMPLETE] = { "complete", KIND_COMPLETE, false, 0, IO_PLACES, PLACED },
  [ACT_NOMEM]
  = { "nomem", KIND_NONE, false, 0, IO_PLACES,
      COMMON | BIT (WORD_REQUESTS) | BIT (WORD_BYTES) | BIT (WORD_BY) },
  [ACT_VOLATILE]
  = { "volatile", KIND_SIZE, true, UINT64_C (64) << 20, 0, COMMON },
  [ACT_LATE_WRITE]
  = { "late-write", KIND_TIME, false, 0, 0, COMMON | BIT (WORD_HOLD) },
  [ACT_FLUSH] = { "flush", KIND_FLUSH, false, 0, BIT (AT_FLUSH), COUNTED },
  [ACT_CHECK] = { "check", KIND_NONE, false, 0, 0, COMMON },
  [ACT_NOLOCK] = { "nolock", KIND_NONE, false, 0, 0, COMMON },
  [ACT_ANY_THREAD] = { "any-thread", KIND_NONE, false, 0, 0, BIT (WORD_ID) },
};

/* A decimal number with nothing behind it but what *rest takes. */
static bool
parse_number (const char *text, uint64_t *value, const char **rest)
{
  char *end;

  if (*text < '0' || *text > '9')
    return false;
  errno = 0;
  *value = strtoull (text, &end, 10);
  *rest = end;
  return errno == 0;
}

struct unit {
  const char *name;
  uint64_t factor;
};

static bool
parse_with_unit (const char *text, const struct unit *units, uint64_t *value)
{
  const char *rest;

  if (!parse_number (text, value, &rest))
    return false;
  for (; units->name != NULL; units++)
    if (strcmp (rest, units->name) == 0)
      return !__builtin_mul_overflow (*value, units->factor, value);
  return false;
}

static bool
parse_choice (const char *text, const char *const *choices, uint64_t *value)
{
  for (uint64_t i = 0; choices[i] != NULL; i++)
    if (strcmp (text, choices[i]) == 0) {
      *value = i;
      return true;
    }
  return false;
}

static bool
parse_places (struct rule *rule, char *text)
{
  char *name;

  rule->places = 0;
  while ((name = strsep (&text, ",")) != NULL) {
    unsigned found = strcmp (name, "any") == 0 ? ANYWHERE : 0;

    for (int i = 0; i < NR_PLACES; i++)
      if (strcmp (name, place_names[i]) == 0)
        found = BIT (i);
    if (found == 0)
      return false;
    rule->places |= found;
  }
  return true;
}

static bool
parse_sectors (struct rule *rule, const char *text)
{
  const char *rest;

  rule->nr_sectors = 1;
  if (rule->places == OPERATIONS)
    rule->places = IO_PLACES;
  if (!parse_number (text, &rule->first_sector, &rest))
    return false;
  if (*rest == '+' && !parse_number (rest + 1, &rule->nr_sectors, &rest))
    return false;
  return *rest == '\0' && rule->nr_sectors > 0
         && rule->first_sector <= UINT64_MAX - rule->nr_sectors;
}

static bool
parse_chance (struct rule *rule, const char *text)
{
  char *end;
  double p = strtod (text, &end);

  if (end == text || *end != '\0' || !(p > 0) || p > 1)
    return false;
  rule->threshold = p >= 1 ? UINT64_MAX : (uint64_t)ldexp (p, 64);
  return rule->threshold > 0;
}

static bool
parse_crash (struct rule *rule, char *text)
{
  static const char *const kinds[] = { "segv", "abort", "exit", "panic", NULL };
  char *kind = strsep (&text, ":");
  const char *rest;

  rule->status = EXIT_FAILURE;
  if (!parse_choice (kind, kinds, &rule->value))
    return false;
  if (text == NULL)
    return true;
  return rule->value == CRASH_EXIT && parse_number (text, &rule->status, &rest)
         && *rest == '\0' && rule->status <= 255;
}

/* Values that go into *number; the others go into the rule. */
static bool
parse_value (struct rule *rule, enum kind kind, char *text, uint64_t *number)
{
  static const struct unit times[] = { { "us", 1000 },
                                       { "ms", 1000 * 1000 },
                                       { "s", 1000 * 1000 * 1000 },
                                       { NULL, 0 } };
  static const struct unit sizes[] = {
    { "", 1 }, { "K", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 }, { NULL, 0 }
  };
  static const char *const modes[]
      = { "inline", "late", "shuffle", "twice", "never", NULL };
  static const char *const flushes[] = { "fail-then-ok", NULL };
  static const char *const untils[] = { "", "reopen", "reconnect", NULL };
  static const char *const bys[] = { "submit", "callback", NULL };
  const char *rest;

  switch (kind) {
  case KIND_NONE:
    return false;
  case KIND_COUNT:
    return parse_number (text, number, &rest) && *rest == '\0' && *number > 0;
  case KIND_NUMBER:
    return parse_number (text, number, &rest) && *rest == '\0';
  case KIND_TIME:
    return parse_with_unit (text, times, number);
  case KIND_SIZE:
    return parse_with_unit (text, sizes, number) && *number > 0;
  case KIND_CRASH:
    return parse_crash (rule, text);
  case KIND_COMPLETE:
    return parse_choice (text, modes, number);
  case KIND_FLUSH:
    return parse_choice (text, flushes, number);
  case KIND_PLACES:
    return parse_places (rule, text);
  case KIND_SECTORS:
    return parse_sectors (rule, text);
  case KIND_CHANCE:
    return parse_chance (rule, text);
  case KIND_UNTIL:
    return parse_choice (text, untils, number) && *number > 0;
  case KIND_BY:
    return parse_choice (text, bys, number);
  case KIND_TEXT:
    return *text != '\0';
  }
  return false;
}

static void
set_word (struct rule *rule, enum word word, uint64_t number, char *text)
{
  switch (word) {
  case WORD_NTH:
    rule->nth = number;
    break;
  case WORD_EVERY:
    rule->every = number;
    break;
  case WORD_AFTER:
    rule->after = number;
    break;
  case WORD_TIMES:
    rule->times = number;
    break;
  case WORD_ONCE:
    rule->times = 1;
    break;
  case WORD_SEED:
    rule->seed = number;
    break;
  case WORD_UNTIL:
    rule->until = (enum until)number;
    break;
  case WORD_DISK:
    rule->disk = text;
    break;
  case WORD_REQUESTS:
    rule->max_requests = number;
    break;
  case WORD_BYTES:
    rule->max_bytes = number;
    break;
  case WORD_BY:
    rule->by_callback = number == 1;
    break;
  case WORD_HOLD:
    rule->hold = true;
    break;
  case WORD_SCRIBBLE:
    rule->scribble = true;
    break;
  case WORD_AT:
  case WORD_P:
  case WORD_SECTOR:
  case WORD_ID:
  case NR_WORDS:
    break;
  }
}

/* The first word; NULL, or what is wrong with it. */
static const char *
parse_action (struct rule *rule, const char *name, char *value)
{
  for (int i = 0; i < NR_ACTIONS; i++) {
    if (strcmp (name, actions[i].name) != 0)
      continue;
    rule->action = (enum action)i;
    rule->places = actions[i].places;
    rule->value = actions[i].preset;
    if (value == NULL)
      return actions[i].kind == KIND_NONE || actions[i].value_optional
                 ? NULL
                 : "it needs a value";
    return parse_value (rule, actions[i].kind, value, &rule->value)
               ? NULL
               : "it has a wrong value";
  }
  return "there is no such action";
}

static const char *
parse_word (struct rule *rule, const char *name, char *value, unsigned *seen)
{
  for (int i = 0; i < NR_WORDS; i++) {
    uint64_t number = 0;

    if (strcmp (name, words[i].name) != 0)
      continue;
    if (!(actions[rule->action].words & BIT (i)))
      return "it does not go with this action";
    if (*seen & BIT (i))
      return "it is given twice";
    *seen |= BIT (i);
    if ((value == NULL) != (words[i].kind == KIND_NONE)
        || (value != NULL
            && !parse_value (rule, words[i].kind, value, &number)))
      return "it has a wrong value";
    set_word (rule, (enum word)i, number, value);
    return NULL;
  }
  return "there is no such condition";
}

/* What only the whole rule can tell. */
static const char *
finish (struct rule *rule)
{
  if (rule->action == ACT_SESSION_LOST)
    rule->until = UNTIL_RECONNECT;
  rule->stuck_at
      = rule->action == ACT_SESSION_LOST ? OF_A_SESSION : rule->places;
  /* Once, where always would leave nothing to say OK. */
  if (rule->action == ACT_FLUSH && rule->nth == 0 && rule->every == 0
      && rule->threshold == 0 && rule->times == 0)
    rule->times = 1;
  if (rule->action == ACT_NOMEM && rule->max_requests == 0
      && rule->max_bytes == 0)
    return "nomem needs requests= or bytes=";
  if (rule->seed != 0 && rule->threshold == 0)
    return "seed= needs p=";
  if (rule->action == ACT_COMPLETE && (rule->places & ~IO_PLACES) != 0)
    return "complete acts at ReadAsync and WriteAsync only";
  if (rule->nr_sectors != 0 && (rule->places & ~WITH_SECTORS) != 0)
    return "sector= needs places that have sectors";
  return NULL;
}

const char *
rule_parse (struct rule *rule, const char **at)
{
  char *rest = rule->words, *word;
  const char *wrong = NULL;
  unsigned seen = 0;
  bool is_first = true;

  while (wrong == NULL && (word = strsep (&rest, " \t")) != NULL) {
    char *value = word;
    const char *name = strsep (&value, "=");

    if (*name == '\0' && value == NULL)
      continue;
    *at = name;
    wrong = is_first ? parse_action (rule, name, value)
                     : parse_word (rule, name, value, &seen);
    is_first = false;
  }
  return wrong == NULL ? finish (rule) : wrong;
}
