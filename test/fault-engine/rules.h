/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The rule language: text in, a list of rules out.  Pure; strict: whatever is
 * not understood is an error that names the word.
 */
#ifndef FAULT_RULES_H
#define FAULT_RULES_H

#include "engine.h"

/* Bounds of a rehearsal: nobody writes more by hand. */
#define RULES_MAX      64
#define RULE_TEXT_MAX  255
#define RULE_ERROR_MAX 400

enum action {
  ACT_CRASH,
  ACT_HANG,
  ACT_ERROR,
  ACT_SESSION_LOST,
  ACT_DELAY,
  ACT_BANDWIDTH,
  ACT_COMPLETE,
  ACT_NOMEM,
  ACT_VOLATILE,
  ACT_LATE_WRITE,
  ACT_FLUSH,
  ACT_CHECK,
  ACT_NOLOCK,
  ACT_ANY_THREAD,
  NR_ACTIONS,
};

enum crash { CRASH_SEGV, CRASH_ABORT, CRASH_EXIT, CRASH_PANIC };
enum complete {
  COMPLETE_INLINE,
  COMPLETE_LATE,
  COMPLETE_SHUFFLE,
  COMPLETE_TWICE,
  COMPLETE_NEVER,
};
enum until { UNTIL_NOTHING, UNTIL_REOPEN, UNTIL_RECONNECT };

struct rule {
  char text[RULE_TEXT_MAX + 1]; /* as it was given */
  uint64_t key;                 /* of its counts in the state */
  enum action action;
  uint64_t value;    /* crash, VixError, ns, bytes, bytes/s, complete */
  uint64_t status;   /* of CRASH_EXIT */
  unsigned places;   /* bits 1 << enum place: where it counts and acts */
  unsigned stuck_at; /* where it acts until the session ends */
  enum until until;
  uint64_t nth; /* 0: none; so are the others */
  uint64_t every;
  uint64_t after;
  uint64_t times;
  uint64_t threshold; /* acts if a random number is below; 0: always */
  uint64_t seed;
  uint64_t first_sector;
  uint64_t nr_sectors; /* 0: whatever sectors */
  const char *disk;    /* inside words, or NULL: part of the path */
  uint64_t max_requests;
  uint64_t max_bytes;
  bool by_callback;
  bool hold;
  bool scribble;
  char words[RULE_TEXT_MAX + 1];
};

struct rules {
  struct rules *older; /* nothing is freed: other threads may look at it */
  unsigned nr;
  struct rule rules[RULES_MAX];
};

/* Parses rule->words, which it cuts up, into the rest of the rule.  NULL, or
 * what is wrong with the word *at.
 */
const char *rule_parse (struct rule *rule, const char **at);

/* Appends the rules in text, which are separated by newlines or semicolons;
 * # begins a comment.  False, with a line that says why, on the first that is
 * wrong.
 */
bool rules_parse (struct rules *rules, const char *text,
                  char error[RULE_ERROR_MAX]);

#endif /* FAULT_RULES_H */
