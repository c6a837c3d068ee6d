/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When which rule acts.  First the judgement, which counts and decides, then
 * what it says is carried out: that may not return.
 */
#ifndef FAULT_FAULTS_H
#define FAULT_FAULTS_H

#include "rules.h"

/* What the rules say of one call. */
struct verdict {
  VixError error;       /* of the first rule that has one */
  uint64_t delay_ns;    /* all of them */
  uint64_t bytes_per_s; /* the least; 0: no limit */
  bool is_late;
  bool is_shuffled;
  bool is_twice;
  bool is_never;
  bool is_flush_failure;
  const struct rule *crash; /* or NULL */
  const struct rule *hang;  /* or NULL */
};

/* Reads FAULT; misuse if it is wrong.  FAULT_FILE is read then and whenever
 * it has changed; what is wrong in it later is warned about and changes
 * nothing.
 */
void faults_init (void);

/* Whether there is anything to judge: the one look of the fast path. */
bool faults_active (void);

/* Counts a call at a place and judges it.  disk is NULL where there is none
 * yet, connection too; nr_sectors is 0 where there are none.
 */
struct verdict faults_judge (enum place place,
                             const struct connection *connection,
                             const struct disk *disk, uint64_t start_sector,
                             uint64_t nr_sectors);

/* Crashes, hangs or returns.  `r` is the request at hand or NULL. */
void faults_carry_out (const struct verdict *verdict, const struct disk *disk,
                       const struct request *r);

/* Both, with the delay, for a call that has no sectors; its error. */
VixError faults_at (enum place place, const struct connection *connection,
                    const struct disk *disk);

/* The first rule of an action that is about this disk, or NULL. */
const struct rule *faults_find (enum action action, const char *path);

/* Pauses. */
void sleep_ns (uint64_t ns);
uint64_t now_ns (void);

/* Overwrites what can be reached around the buffers of reads (scribble.c). */
void scribble (const struct disk *disk, const struct request *r);

#endif /* FAULT_FAULTS_H */
