/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a killed process leaves to its successor.  Table entries wait in memory
 * until the data they point to is durable; a process that is killed would take
 * them along, though the data is in the kernel and the caller was told so.  So
 * each is also noted here, in a file in memory (/dev/shm): it outlives the
 * process and ends with the machine, just as what the kernel has not written.
 *
 * The disk's CID guards it: who else writes to the disk changes it.
 */
#ifndef BUILTIN_KILL_LOG_H
#define BUILTIN_KILL_LOG_H

#include "file.h"

enum kill_record_type {
  KILL_ENTRIES = 1, /* count entries from grain place on begin with value */
  KILL_TABLE = 2,   /* table place is at value, its other copy at count */
};

struct kill_record {
  uint64_t place;
  uint32_t count;
  uint32_t value;
  uint16_t extent;
  uint8_t type;
  uint8_t unused[5];
};

struct kill_log;

/* The log of a disk, whose first file this is and which has that CID; with
 * what a predecessor left, if there is anything.  OUT_OF_MEMORY.
 */
VixError kill_log_open (const struct file *file, uint32_t cid,
                        struct kill_log **out);

/* What a predecessor left, in order. */
const struct kill_record *kill_log_records (const struct kill_log *log,
                                            size_t *count);

/* Where the log is, for messages. */
const char *kill_log_path (const struct kill_log *log);

/* The disk is about to get this CID, or has got it. */
void kill_log_new_cid (struct kill_log *log, uint32_t cid, bool done);

/* Safe from any thread.  NULL is no log: nothing happens. */
void kill_log_add (struct kill_log *log, const struct kill_record *record);

/* So many bytes of metadata more are in memory only. */
void kill_log_count_dirty (struct kill_log *log, uint64_t bytes);

/* Whether a commit is due before a write is answered: the log is nearly full,
 * or there can be none, or there is much in memory only.
 */
bool kill_log_wants_commit (struct kill_log *log);

/* All is committed. */
void kill_log_clear (struct kill_log *log);

/* Frees it; removes its file if all is committed. */
void kill_log_close (struct kill_log *log);

#endif /* BUILTIN_KILL_LOG_H */
