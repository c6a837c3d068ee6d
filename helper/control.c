/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The reading side of the control socket.  Whoever reads holds the lock, also
 * the main thread while it sleeps in poll(): the watch takes it only while
 * the main thread is away, and never waits for it.  Bytes are left in the
 * socket when the table of requests or the queue of results is full.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "decode.h"
#include "die.h"
#include "frame.h"
#include "library.h"
#include "output.h"
#include "spin.h"
#include "watch.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int nudge_fd = -1;

/* Under the lock. */
static struct frame_reader reader;
static struct decoder decoder;
static struct request_list queue = REQUEST_LIST_INIT (queue);
static struct spinner spinner;
static char *call_body; /* the one CALL that was read and not finished */
static size_t call_length;

static _Atomic bool ended;     /* the host closed its end */
static _Atomic bool end_taken; /* the main thread knows, and closes the disk */

enum progress { NOTHING, SOME, FULL, ENDED };

/* How many processors this thread may run on; one if they can't be counted.
 * A quota of processor time is not seen: who is stopped by one loses the
 * processor while it spins, and skips the next spins.
 */
static unsigned
processors (void)
{
  cpu_set_t set;

  if (sched_getaffinity (0, sizeof set, &set) == -1)
    return 1;
  return (unsigned)CPU_COUNT (&set);
}

void
control_init (void)
{
  spin_init (&spinner, processors ());
  nudge_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (nudge_fd == -1)
    die (EXIT_FAILURE, "eventfd: %s", strerror (errno));
  if (!decoder_init (&decoder))
    die (EXIT_FAILURE, "out of memory");
}

static void
answer_ping (uint64_t id)
{
  struct encoder frame;
  const char *call;
  uint64_t oldest_io;
  uint64_t oldest_io_ms = request_oldest_ms (&oldest_io);
  uint64_t in_call_ms = library_in_call_ms (&call);

  encoder_init (&frame);
  encode_frame_begin (&frame);
  encode_result (&frame, id, 0);
  encode_map (&frame, 4);
  encode_uint_of (&frame, "inCallMs", in_call_ms);
  encode_text_of (&frame, "call", call);
  encode_uint_of (&frame, "oldestIoMs", oldest_io_ms);
  encode_uint_of (&frame, "oldestIo", oldest_io);
  encode_frame_end (&frame);
  output_result (&frame);
}

/* Keeps the body of a CALL for the main thread.  False without room. */
static bool
take_call (char *body, size_t length)
{
  struct request *mark;

  if (call_body != NULL)
    die_violation ("a second CALL before the answer to the first");
  if (!request_reserve (1))
    return false;
  call_body = malloc (length);
  if (call_body == NULL)
    die (EXIT_FAILURE, "out of memory");
  memcpy (call_body, body, length);
  call_length = length;
  explicit_bzero (body, length);
  mark = request_alloc ();
  mark->op = OP_CALL_MARK;
  request_list_append (&queue, mark);
  return true;
}

/* Acts on one frame.  False if there is no room for it yet. */
static bool
take_frame (char *body, size_t length)
{
  struct message message;
  const char *wrong = decode_message (&decoder, body, length, &message);

  if (wrong != NULL)
    die_violation (wrong);
  if (message.kind == KIND_IO) {
    if (!request_reserve (message.nr_requests))
      return false;
    for (uint32_t i = 0; i < message.nr_requests; i++) {
      struct request *r = request_alloc ();

      decode_request (&message, i, r);
      request_list_append (&queue, r);
    }
    return true;
  }
  if (message.op != OP_PING)
    return take_call (body, length);
  if (output_results_full ())
    return false;
  answer_ping (message.id);
  return true;
}

/* Acts on all whole frames that were received. */
static enum progress
take_frames (void)
{
  enum progress progress = NOTHING;
  char *body;
  size_t length;

  for (;;) {
    switch (frame_peek (&reader, &body, &length)) {
    case FRAME_INCOMPLETE:
      return progress;
    case FRAME_BAD_LENGTH:
      die_violation ("a frame of 0 bytes or more than 1 MiB");
    case FRAME_READY:
      if (!take_frame (body, length))
        return FULL;
      frame_consume (&reader, length);
      progress = SOME;
    }
  }
}

/* One look at the socket; under the lock. */
static enum progress
read_frames (void)
{
  enum progress progress = take_frames ();
  ssize_t n;

  if (progress != NOTHING)
    return progress;
  n = frame_fill (&reader, CONTROL_FD);
  if (n == -1)
    return NOTHING;
  if (n == 0) {
    atomic_store (&ended, true);
    return ENDED;
  }
  progress = take_frames ();
  return progress == NOTHING ? SOME : progress; /* part of a frame */
}

/* Sleeps until there is something to read, or a nudge; true for a nudge. */
static bool
sleep_for_input (void)
{
  struct pollfd fds[2] = { { .fd = CONTROL_FD, .events = POLLIN },
                           { .fd = nudge_fd, .events = POLLIN } };
  uint64_t count;

  poll (fds, 2, -1);
  return fds[1].revents != 0
         && read (nudge_fd, &count, sizeof count) == sizeof count;
}

/* No room: lets go of the socket until something has left. */
static void
wait_for_room (void)
{
  uint64_t seen = output_progress ();

  if (read_frames () != FULL)
    return;
  watch_main_busy ();
  pthread_mutex_unlock (&lock);
  output_wait (seen);
  pthread_mutex_lock (&lock);
  watch_main_back ();
}

/* Waits until the queue is not empty; under the lock.  False at the end. */
static bool
fill_queue (bool may_spin)
{
  bool spinning = may_spin && spin_begin (&spinner, precise_us ());

  while (queue.count == 0 && !atomic_load (&ended)) {
    switch (read_frames ()) {
    case NOTHING:
      spinning = spinning && spin_again (&spinner, precise_us ());
      /* Whoever has work, as the client that was answered, goes first. */
      if (spinning)
        sched_yield ();
      else if (sleep_for_input ())
        return true;
      break;
    case FULL:
      if (queue.count == 0)
        wait_for_room ();
      break;
    case SOME:
    case ENDED:
      break;
    }
  }
  if (spinning)
    spin_paid (&spinner, precise_us ());
  return queue.count > 0;
}

bool
control_next (struct request_list *run, bool may_spin)
{
  bool more;

  pthread_mutex_lock (&lock);
  watch_main_back ();
  more = fill_queue (may_spin);
  if (!more)
    atomic_store (&end_taken, true);
  request_list_join (run, &queue);
  watch_main_busy ();
  pthread_mutex_unlock (&lock);
  return more;
}

void
control_nudge (void)
{
  uint64_t one = 1;

  /* Full means that a nudge is already there. */
  if (write (nudge_fd, &one, sizeof one) == -1 && errno != EAGAIN)
    die (EXIT_FAILURE, "eventfd: %s", strerror (errno));
}

void
control_call_body (char **body, size_t *length)
{
  pthread_mutex_lock (&lock);
  *body = call_body;
  *length = call_length;
  pthread_mutex_unlock (&lock);
}

void
control_call_finished (void)
{
  pthread_mutex_lock (&lock);
  explicit_bzero (call_body, call_length);
  free (call_body);
  call_body = NULL;
  pthread_mutex_unlock (&lock);
}

bool
control_readable (void)
{
  return !atomic_load (&ended);
}

bool
control_stand_in (void)
{
  enum progress progress;

  if (pthread_mutex_trylock (&lock) != 0)
    return false;
  progress = read_frames ();
  pthread_mutex_unlock (&lock);
  if (progress == ENDED)
    control_check_end ();
  return progress == SOME;
}

void
control_check_end (void)
{
  const char *call;

  if (atomic_load (&ended) && !atomic_load (&end_taken)
      && library_in_call_ms (&call) > 0)
    die (EXIT_EOF_IN_CALL, "the host is gone, %s has not returned", call);
}
