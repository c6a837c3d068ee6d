/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Assertions of the C tests: the first that fails ends the program.  Unlike
 * assert they are never compiled out.
 */
#ifndef BUILTIN_TESTS_CHECK_H
#define BUILTIN_TESTS_CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf (stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      exit (1);                                                                \
    }                                                                          \
  } while (0)

#define CHECK_EQUAL(actual, expected)                                          \
  do {                                                                         \
    uint64_t actual_ = (uint64_t)(actual);                                     \
    uint64_t expected_ = (uint64_t)(expected);                                 \
    if (actual_ != expected_) {                                                \
      fprintf (stderr, "%s:%d: %s is %" PRIu64 ", not %" PRIu64 "\n",          \
               __FILE__, __LINE__, #actual, actual_, expected_);               \
      exit (1);                                                                \
    }                                                                          \
  } while (0)

#endif /* BUILTIN_TESTS_CHECK_H */
