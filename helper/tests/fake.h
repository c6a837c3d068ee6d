/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A disk library for tests: the VixDiskLib ABI over memory.  It misbehaves
 * as the environment says and aborts when its caller breaks a rule.
 *
 * FAKE_SECTORS=N            capacity (65536)
 * FAKE_COMPLETION=inline|late|shuffle
 *                           when and in which order asynchronous I/O completes
 * FAKE_AT=Function:action:value,...    e.g. Open:fail:13,Flush:slow:200
 * FAKE_SECTOR=sector:action:value,...  for I/O that touches the sector
 *
 * Actions: fail (VixError; of I/O by its callback), refuse (VixError returned
 * by the submission), slow (ms), hang, crash (signal), panic, log (lines),
 * longlog (bytes), double (the callback runs twice), unknown (the callback
 * gets a wrong pointer).
 */
#ifndef FAKE_H
#define FAKE_H

#include <stdbool.h>
#include <stdint.h>

#define VIXDISKLIB_IMPLEMENTATION
#include "vixdisklib.h"

enum fake_action {
  FAKE_NOTHING,
  FAKE_FAIL,
  FAKE_REFUSE,
  FAKE_DOUBLE,
  FAKE_UNKNOWN,
};

/* Does what the script says for a function, or for sectors; of what is left
 * to the caller the action and its value.
 */
enum fake_action fake_at (const char *function, uint64_t *value);
enum fake_action fake_sectors (uint64_t start, uint64_t count, uint64_t *value);

/* Aborts: the caller broke `rule`. */
_Noreturn void fake_breach (const char *rule);
/* All calls come on the thread that called InitEx. */
void fake_check_thread (void);
void fake_log (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));
void fake_warn (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));
_Noreturn void fake_panic (const char *fmt, ...)
    __attribute__ ((format (printf, 1, 2)));

/* The only disk there is, and its I/O (fake-io.c). */
struct fake_disk {
  uint8_t *bytes;
  uint64_t sectors;
  bool is_open;
};
extern struct fake_disk fake_disk;
void fake_io_start (void);
unsigned fake_io_pending (void);

#endif /* FAKE_H */
