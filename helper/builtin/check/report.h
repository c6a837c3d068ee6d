/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a check finds, and how it is said: as text, or as one JSON object.
 */
#ifndef BUILTIN_CHECK_REPORT_H
#define BUILTIN_CHECK_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "../disk.h"

/* Messages kept; damage can have more places than anybody reads. */
#define MAX_MESSAGES 50

enum finding {
  FINDING_CORRUPTION, /* reads something wrong, or nothing */
  FINDING_REPAIRABLE, /* reads right; the next writer puts it right */
  FINDING_LEAK,       /* room that nothing uses */
  FINDING_NOTE,
  NR_FINDINGS
};

/* An extent, looked through. */
struct extent_report {
  uint64_t data_sectors;
  uint64_t zero_sectors;
  uint64_t absent_sectors;
  uint64_t leaked_sectors;
};

struct report {
  uint64_t count[NR_FINDINGS];
  char *messages[MAX_MESSAGES];
  enum finding kinds[MAX_MESSAGES];
  size_t nr_messages;
  VixError err;                   /* why the check could not be made */
  struct extent_report **extents; /* by link; of each, by extent */
  uint64_t read_data;             /* sectors of the disk, as it reads */
  uint64_t read_zeroes;
};

extern struct report report;

void report_add (enum finding kind, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));

/* Warnings of the engine become findings of this kind: InitEx's callback. */
void report_warning (const char *fmt, va_list args);
void report_warnings_as (enum finding kind);

/* As qemu-img check ends: 0 if all is well, 1 if the check could not be made,
 * 2 for corruption, 3 for leaks only.
 */
int report_exit_code (void);

/* disk is NULL if it could not be opened. */
void report_print (const char *path, const struct disk *disk, bool json);

#endif /* BUILTIN_CHECK_REPORT_H */
