/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Everything that leaves through the control socket: one writer at a time,
 * which takes what has gathered meanwhile (combining).  Answers are bounded
 * by the table of requests, log events by LOG_BACKLOG_BYTES_MAX, results by
 * RESULTS_PENDING_MAX.  The lock is never held over a system call.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "die.h"
#include "output.h"
#include "watch.h"

/* A frame that is not DONE. */
struct frame {
  struct frame *next;
  enum frame_type { RESULT, LOG, PANIC } type;
  size_t length;
  char *bytes; /* malloc */
};

/* Bytes gathered for one write; a larger frame goes out by itself. */
enum { GATHER_BYTES = 64 << 10 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progressed; /* on CLOCK_MONOTONIC */

/* Under the lock. */
static struct request_list done = REQUEST_LIST_INIT (done);
static struct frame *frames;
static struct frame **frames_last = &frames;
static size_t log_bytes;
static uint64_t dropped;
static unsigned results_pending;
static uint64_t progress;
static bool writing; /* somebody is the writer, or the socket is full */
static _Atomic bool stalled;

/* Owned by the writer. */
static struct request_list encoding = REQUEST_LIST_INIT (encoding);
static struct frame *sending;   /* taken and not yet encoded, in order */
static struct frame *large;     /* the frame that is being sent by itself */
static struct encoder gathered; /* what is being sent otherwise */
static size_t sent;

/* Of the main thread: is a batch being collected, since when, how much. */
static _Thread_local bool collecting;
static _Thread_local uint64_t collected_bytes;
static _Thread_local uint64_t collect_since_ms;

static void
free_frame (struct frame *frame)
{
  free (frame->bytes);
  free (frame);
}

/* Takes all that waits; under the lock.  False if nothing does. */
static bool
take (void)
{
  if (done.count == 0 && frames == NULL)
    return false;
  request_list_join (&encoding, &done);
  sending = frames;
  frames = NULL;
  frames_last = &frames;
  for (struct frame *f = sending; f != NULL; f = f->next) {
    if (f->type == RESULT)
      results_pending--;
    else if (f->type == LOG)
      log_bytes -= f->length;
  }
  return true;
}

/* One DONE frame of what was taken; its records are free then. */
static void
encode_done (void)
{
  uint32_t count = encoding.count;
  struct request_list answered = REQUEST_LIST_INIT (answered);

  if (count > FRAME_REQUESTS_MAX)
    count = FRAME_REQUESTS_MAX;
  encode_frame_begin (&gathered);
  encode_array (&gathered, 1 + 2 * (size_t)count);
  encode_uint (&gathered, KIND_DONE);
  for (uint32_t i = 0; i < count; i++) {
    struct request *r = request_list_shift (&encoding);

    encode_uint (&gathered, r->id);
    encode_uint (&gathered, r->error);
    request_list_append (&answered, r);
  }
  encode_frame_end (&gathered);
  request_free (&answered);
}

/* Encodes what was taken until there is enough for one write. */
static void
gather (void)
{
  struct frame *f;

  msgpack_sbuffer_clear (&gathered.bytes);
  while (encoding.count > 0 && gathered.bytes.size < GATHER_BYTES)
    encode_done ();
  while (encoding.count == 0 && (f = sending) != NULL
         && gathered.bytes.size + f->length <= GATHER_BYTES) {
    encode_raw (&gathered, f->bytes, f->length);
    sending = f->next;
    free_frame (f);
  }
  if (gathered.bytes.size == 0 && sending != NULL) {
    large = sending;
    sending = sending->next;
  }
}

/* The next bytes to send; false if all that was taken has been sent. */
static bool
next_bytes (const char **bytes, size_t *length)
{
  if (large != NULL && sent == large->length) {
    free_frame (large);
    large = NULL;
    sent = gathered.bytes.size;
  }
  if (large == NULL && sent == gathered.bytes.size) {
    sent = 0;
    gather ();
  }
  *bytes = large != NULL ? large->bytes : gathered.bytes.data;
  *length = (large != NULL ? large->length : gathered.bytes.size) - sent;
  if (*bytes != NULL)
    *bytes += sent;
  return *length > 0;
}

/* Sends all that was taken.  False if the socket is full; whatever can't be
 * sent to a host that is gone counts as sent.
 */
static bool
send_taken (void)
{
  const char *bytes;
  size_t length;

  while (next_bytes (&bytes, &length)) {
    ssize_t n = send (CONTROL_FD, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n == -1 && errno == EAGAIN)
      return false;
    if (n == -1 && errno != EINTR)
      n = (ssize_t)length;
    if (n > 0)
      sent += (size_t)n;
  }
  return true;
}

/* Tells those in output_wait() that there may be room again. */
static void
note_progress (void)
{
  progress++;
  pthread_cond_broadcast (&progressed);
}

/* Writes until nothing is left, unless somebody else does.  Called with the
 * lock held, returns without it.
 */
static void
kick (void)
{
  if (!writing) {
    writing = true;
    while (take ()) {
      bool all;

      pthread_mutex_unlock (&lock);
      all = send_taken ();
      pthread_mutex_lock (&lock);
      note_progress ();
      if (!all) {
        atomic_store (&stalled, true);
        pthread_mutex_unlock (&lock);
        watch_wake ();
        return;
      }
    }
    writing = false;
    note_progress ();
  }
  pthread_mutex_unlock (&lock);
}

void
output_init (void)
{
  pthread_condattr_t attr;

  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&progressed, &attr);
  pthread_condattr_destroy (&attr);
  encoder_init (&gathered);
}

bool
output_stalled (void)
{
  return atomic_load (&stalled);
}

void
output_resume (void)
{
  if (!send_taken ())
    return;
  pthread_mutex_lock (&lock);
  atomic_store (&stalled, false);
  writing = false;
  note_progress ();
  kick ();
}

void
output_flush (void)
{
  pthread_mutex_lock (&lock);
  kick ();
}

void
output_done (struct request *r)
{
  uint64_t bytes = r->nr_sectors * 512;

  pthread_mutex_lock (&lock);
  request_list_append (&done, r);
  if (collecting) {
    collected_bytes += bytes;
    if (done.count < COLLECT_DONE_MAX && collected_bytes < COLLECT_BYTES_MAX
        && coarse_ms () - collect_since_ms < COLLECT_MS_MAX) {
      pthread_mutex_unlock (&lock);
      return;
    }
    collected_bytes = 0;
    collect_since_ms = coarse_ms ();
  }
  kick ();
}

void
output_collect_begin (void)
{
  collecting = true;
  collected_bytes = 0;
  collect_since_ms = coarse_ms ();
}

void
output_collect_end (void)
{
  collecting = false;
  output_flush ();
}

/* Appends a frame, whose bytes are taken over; under the lock. */
static void
append (enum frame_type type, struct encoder *encoder)
{
  struct frame *f = malloc (sizeof *f);

  if (f == NULL)
    die (EXIT_FAILURE, "out of memory");
  f->next = NULL;
  f->type = type;
  f->length = encoder->bytes.size;
  f->bytes = msgpack_sbuffer_release (&encoder->bytes);
  *frames_last = f;
  frames_last = &f->next;
}

void
output_result (struct encoder *frame)
{
  pthread_mutex_lock (&lock);
  append (RESULT, frame);
  results_pending++;
  kick ();
}

bool
output_results_full (void)
{
  bool full;

  pthread_mutex_lock (&lock);
  full = results_pending >= RESULTS_PENDING_MAX;
  pthread_mutex_unlock (&lock);
  return full;
}

void
output_log (const char *level, const char *text)
{
  struct encoder frame;

  pthread_mutex_lock (&lock);
  if (log_bytes >= LOG_BACKLOG_BYTES_MAX) {
    dropped++;
    pthread_mutex_unlock (&lock);
    return;
  }
  encoder_init (&frame);
  encode_frame_begin (&frame);
  encode_log (&frame, level, text, dropped);
  encode_frame_end (&frame);
  dropped = 0;
  log_bytes += frame.bytes.size;
  append (LOG, &frame);
  kick ();
}

void
output_panic (const char *text)
{
  struct timespec until = after_ms (PANIC_WRITE_MS);
  struct encoder frame;
  int rc = 0;

  encoder_init (&frame);
  encode_frame_begin (&frame);
  encode_panic (&frame, text);
  encode_frame_end (&frame);
  pthread_mutex_lock (&lock);
  append (PANIC, &frame);
  kick ();
  pthread_mutex_lock (&lock);
  while (rc == 0 && (writing || frames != NULL))
    rc = pthread_cond_timedwait (&progressed, &lock, &until);
  pthread_mutex_unlock (&lock);
}

uint64_t
output_progress (void)
{
  uint64_t now;

  pthread_mutex_lock (&lock);
  now = progress;
  pthread_mutex_unlock (&lock);
  return now;
}

void
output_wait (uint64_t seen)
{
  pthread_mutex_lock (&lock);
  while (progress == seen)
    pthread_cond_wait (&progressed, &lock);
  pthread_mutex_unlock (&lock);
}
