/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vddk-nbd-helper PARENT_PID: loads one library with the VixDiskLib ABI and
 * makes the calls that the host asks for (docs/helper-protocol.md).  The main
 * thread is the one thread that calls the library.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "calls.h"
#include "control.h"
#include "die.h"
#include "harden.h"
#include "io.h"
#include "output.h"
#include "vixdisklib.h"
#include "watch.h"

/* Runs everything in `list`.  Returns whether that was little, and moved data:
 * then the next thing to happen is the host's, and it pays to wait for it
 * awake.
 */
static bool
run_all (struct request_list *list)
{
  struct request_list marks = REQUEST_LIST_INIT (marks);
  bool are_few = list->count <= SPIN_BATCH_REQUESTS_MAX;
  uint64_t bytes = 0;

  output_collect_begin ();
  while (list->count > 0) {
    struct request *r = request_list_shift (list);

    if (r->op == OP_CALL_MARK) {
      output_collect_end ();
      request_list_append (&marks, r);
      request_free (&marks);
      calls_run ();
      output_collect_begin ();
    }
    else {
      bytes += r->nr_sectors * VIXDISKLIB_SECTOR_SIZE;
      io_run (r);
    }
  }
  output_collect_end ();
  io_report_failures ();
  return are_few && bytes > 0 && bytes <= SPIN_BATCH_BYTES_MAX;
}

int
main (int argc, char *argv[])
{
  struct request_list list = REQUEST_LIST_INIT (list);
  bool may_spin = false;

  if (argc != 2)
    die (EXIT_FAILURE, "usage: vddk-nbd-helper PARENT_PID; it is started by "
                       "vddk-nbd, with file descriptors 3, 4 and 5");
  harden_process (argv[1]);
  harden_signal_stack ();
  output_init ();
  control_init ();
  calls_init ();
  watch_start ();

  while (control_next (&list, may_spin))
    may_spin = run_all (&list) && !io_in_flight ();
  calls_end ();
  fflush (NULL);
  _exit (EXIT_SUCCESS);
}
