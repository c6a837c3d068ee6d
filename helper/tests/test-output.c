/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The output under many threads, with a host that does not read, and with a
 * log flood.  fd 3 is one end of a socket pair, as in the helper.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "decode.h"
#include "output.h"
#include "tests/check.h"
#include "watch.h"

enum { THREADS = 4, ANSWERS_EACH = 5000 };

static int host;
static char bytes[4 << 20];
static size_t have;

/* Reads what comes within `ms`; returns whether anything did. */
static bool
receive (int ms)
{
  struct pollfd fd = { .fd = host, .events = POLLIN };
  ssize_t n;

  if (poll (&fd, 1, ms) <= 0)
    return false;
  n = recv (host, bytes + have, sizeof bytes - have, 0);
  CHECK (n > 0);
  have += (size_t)n;
  return true;
}

/* Takes one frame off the front, waiting for it. */
static msgpack_unpacked
next_frame (void)
{
  const uint8_t *at = (const uint8_t *)bytes;
  msgpack_unpacked frame;
  size_t length, offset = 0;

  for (;;) {
    length = have < 4 ? 0
                      : (size_t)at[0] << 24 | (size_t)at[1] << 16
                            | (size_t)at[2] << 8 | at[3];
    if (have >= 4 && have - 4 >= length)
      break;
    CHECK (receive (5000));
  }
  msgpack_unpacked_init (&frame);
  CHECK (msgpack_unpack_next (&frame, bytes + 4, length, &offset)
         == MSGPACK_UNPACK_SUCCESS);
  CHECK (offset == length);
  return frame;
}

static void
drop_frame (msgpack_unpacked *frame)
{
  const uint8_t *at = (const uint8_t *)bytes;
  size_t length = 4
                  + ((size_t)at[0] << 24 | (size_t)at[1] << 16
                     | (size_t)at[2] << 8 | at[3]);

  memmove (bytes, bytes + length, have - length);
  have -= length;
  msgpack_unpacked_destroy (frame);
}

static struct request *
request (uint64_t id)
{
  struct request *r;

  CHECK (request_reserve (1));
  r = request_alloc ();
  r->id = id;
  r->error = id % 3;
  r->nr_sectors = 1;
  return r;
}

/* Collected answers leave as one frame, in order. */
static void
test_collected (void)
{
  msgpack_unpacked frame;

  output_collect_begin ();
  for (uint64_t id = 0; id < 5; id++)
    output_done (request (id));
  output_collect_end ();
  frame = next_frame ();
  CHECK (frame.data.via.array.size == 11);
  CHECK (frame.data.via.array.ptr[0].via.u64 == KIND_DONE);
  for (uint64_t id = 0; id < 5; id++) {
    CHECK (frame.data.via.array.ptr[1 + 2 * id].via.u64 == id);
    CHECK (frame.data.via.array.ptr[2 + 2 * id].via.u64 == id % 3);
  }
  drop_frame (&frame);
}

/* Many answers or much payload do not wait for the end of the batch. */
static void
test_collected_long (void)
{
  msgpack_unpacked frame;
  struct request *r;

  output_collect_begin ();
  for (uint64_t id = 0; id < COLLECT_DONE_MAX; id++)
    output_done (request (id));
  frame = next_frame ();
  drop_frame (&frame);
  for (int i = 0; i < 2; i++) {
    r = request (1000);
    r->nr_sectors = COLLECT_BYTES_MAX / 512;
    output_done (r);
    frame = next_frame ();
    drop_frame (&frame);
  }
  output_collect_end ();
  while (have > 0) {
    frame = next_frame ();
    drop_frame (&frame);
  }
}

static struct request *prepared[THREADS][ANSWERS_EACH];

static void *
answer_all (void *mine)
{
  struct request **list = mine;

  for (int i = 0; i < ANSWERS_EACH; i++)
    output_done (list[i]);
  return NULL;
}

/* Every answer arrives once, though the host reads late and the socket is
 * small: the threads must not wait for it.
 */
static void
test_threads_and_slow_host (void)
{
  static bool seen[THREADS * ANSWERS_EACH];
  pthread_t threads[THREADS];
  size_t count = 0;

  for (int t = 0; t < THREADS; t++)
    for (int i = 0; i < ANSWERS_EACH; i++)
      prepared[t][i] = request ((uint64_t)(t * ANSWERS_EACH + i));
  for (int t = 0; t < THREADS; t++)
    CHECK (pthread_create (&threads[t], NULL, answer_all, prepared[t]) == 0);
  for (int t = 0; t < THREADS; t++)
    CHECK (pthread_join (threads[t], NULL) == 0);
  CHECK (output_stalled ());
  while (count < THREADS * ANSWERS_EACH) {
    msgpack_unpacked frame = next_frame ();
    const msgpack_object_array *a = &frame.data.via.array;

    for (uint32_t i = 1; i < a->size; i += 2) {
      uint64_t id = a->ptr[i].via.u64;

      CHECK (id < THREADS * ANSWERS_EACH && !seen[id]);
      CHECK (a->ptr[i + 1].via.u64 == id % 3);
      seen[id] = true;
      count++;
    }
    drop_frame (&frame);
  }
}

static uint64_t
field (const msgpack_unpacked *frame, const char *key)
{
  struct message message = { .params = frame->data.via.array.ptr[2].via.map };
  uint64_t value = 0;

  CHECK (param_uint (&message, key, UINT64_MAX, &value) == PARAM_GIVEN);
  return value;
}

/* A flood that nobody reads is cut, and the number lost is told. */
static void
test_log_flood (void)
{
  static char text[1000];
  uint64_t lines = 0, dropped = 0;
  const uint64_t sent = 20000;

  memset (text, 'x', sizeof text - 1);
  for (uint64_t i = 0; i < sent; i++)
    output_log ("debug", text);
  while (receive (200))
    while (have > 0) {
      msgpack_unpacked frame = next_frame ();

      lines++;
      dropped += field (&frame, "dropped");
      drop_frame (&frame);
    }
  CHECK (lines > 100 && lines < sent);
  output_log ("debug", "the last one");
  msgpack_unpacked frame = next_frame ();
  dropped += field (&frame, "dropped");
  drop_frame (&frame);
  CHECK (lines + dropped == sent);
}

static void
test_panic (void)
{
  uint64_t begin_ms = coarse_ms ();
  msgpack_unpacked frame;

  output_panic ("the end");
  CHECK (coarse_ms () - begin_ms < PANIC_WRITE_MS);
  frame = next_frame ();
  CHECK (frame.data.via.array.ptr[1].via.str.size == 5);
  drop_frame (&frame);
}

int
main (void)
{
  int fds[2], small = 4096;

  CHECK (socketpair (AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  host = dup (fds[0]);
  close (fds[0]);
  CHECK (dup2 (fds[1], CONTROL_FD) == CONTROL_FD);
  CHECK (setsockopt (CONTROL_FD, SOL_SOCKET, SO_SNDBUF, &small, sizeof small)
         == 0);
  output_init ();
  control_init ();
  watch_start ();
  test_collected ();
  test_collected_long ();
  test_threads_and_slow_host ();
  test_log_flood ();
  test_panic ();
  puts ("test-output: ok");
  return 0;
}
