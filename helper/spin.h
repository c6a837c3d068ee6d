/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether it pays to look for a moment instead of sleeping: only while what is
 * waited for comes at once, and while nobody else wants the processor.  Who
 * looks yields it between two looks.  Times are those of precise_us().
 */
#ifndef VDDK_NBD_SPIN_H
#define VDDK_NBD_SPIN_H

#include <stdbool.h>
#include <stdint.h>

struct spinner {
  bool never;
  uint64_t until_us;
  uint64_t last_us;
  uint32_t skips;            /* times that it is not to be tried */
  uint32_t skips_after_vain; /* the next value of skips, less 1 */
  uint32_t losses;           /* of the processor; doublings of skips */
  uint32_t calm;             /* spins that have paid since the last one */
};

/* For a thread that has so many processors to run on. */
void spin_init (struct spinner *spinner, unsigned processors);

/* Begins; false if it is not to be tried this time. */
bool spin_begin (struct spinner *spinner, uint64_t now_us);

/* Nothing has come yet.  False if it is over. */
bool spin_again (struct spinner *spinner, uint64_t now_us);

/* It has come, and the spin ends. */
void spin_paid (struct spinner *spinner, uint64_t now_us);

#endif /* VDDK_NBD_SPIN_H */
