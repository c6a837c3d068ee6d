/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The one macro of the unit tests: a failed check ends the program with the
 * place and what did not hold.
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

/* What is being looked at, for tests that run through a table. */
static const char *check_case __attribute__ ((unused)) = "";

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf (stderr, "%s:%d: %s: not true: %s\n", __FILE__, __LINE__,        \
               check_case, #condition);                                        \
      exit (EXIT_FAILURE);                                                     \
    }                                                                          \
  } while (0)

#endif /* TESTS_CHECK_H */
